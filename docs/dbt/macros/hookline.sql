{% macro comments_of(tables) %}
{#- Copy the comments of Hookline's columns to the columns of the same name in this model. -#}
{%- set this_model = this.include(database=false) -%}
do $$
declare
    each record;
begin
    for each in
        select theirs.attname as name, col_description(theirs.attrelid, theirs.attnum) as meaning
        from pg_attribute as theirs
        join pg_attribute as ours using (attname)
        where ours.attrelid = '{{ this_model }}'::regclass and ours.attnum > 0
            and theirs.attnum > 0 and theirs.attrelid in (
                {%- for table in tables %}
                '{{ source("hookline", table).include(database=false) }}'::regclass{{ ',' if not loop.last }}
                {%- endfor %}
            )
    loop
        execute format('comment on column {{ this_model }}.%I is %L', each.name, each.meaning);
    end loop;
end
$$
{% endmacro %}


{% macro apart(ours, theirs) %}
{#- Rows that only one of two queries has; a test by it fails where there are any. -#}
select 'only by our arithmetic' as found, *
from (select * from {{ ours }} except all select * from {{ theirs }}) as only_ours
union all
select 'only in Hookline' as found, *
from (select * from {{ theirs }} except all select * from {{ ours }}) as only_theirs
{% endmacro %}


{% test holds(model, condition, column_name=none) %}
{#- What the condition says is true of every row of which it can be said (null passes). -#}
select * from {{ model }} where not ({{ condition }})
{% endtest %}


{% test unique_together(model, columns) %}
select {{ columns | join(', ') }}, count(*) as rows
from {{ model }} group by {{ columns | join(', ') }} having count(*) > 1
{% endtest %}
