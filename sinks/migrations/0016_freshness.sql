-- Up to when the tables are whole, and what keeps them from being whole further.
CREATE VIEW freshness AS
WITH marked AS (
    SELECT w.at, w.holder, w.since, w.updated_at,
        regexp_match(w.holder, '^(processors|sinks): (.+)-([0-9]+)$') AS behind_in,
        timestamptz 'epoch'
            + (w.state #>> '{ingresses,newest}')::bigint * interval '1 millisecond' AS beat_at
    FROM (VALUES (true)) AS one (is_only) LEFT JOIN watermark w USING (is_only)
), held AS (
    SELECT marked.*, CASE
        WHEN updated_at IS NULL OR updated_at < now() - interval '1 minute' THEN 'sweep'
        WHEN holder <> '' THEN split_part(holder, ':', 1)
        WHEN beat_at IS NULL OR beat_at < now() - interval '30 seconds' THEN 'ingress'
    END AS stage
    FROM marked
)
SELECT at AS whole_until,
    now() - at AS behind,
    stage AS held_by,
    CASE WHEN stage <> 'sweep' THEN behind_in[2] END AS topic,
    CASE WHEN stage <> 'sweep' THEN behind_in[3]::integer END AS partition,
    CASE
        WHEN stage = 'sweep' THEN updated_at
        WHEN holder <> '' THEN since
        WHEN stage = 'ingress' THEN beat_at
    END AS held_since,
    CASE
        WHEN stage IS NULL THEN 'nothing: they follow at the margin that brokers'' clocks may differ by'
        WHEN updated_at IS NULL THEN 'no sink has swept these tables yet'
        WHEN stage = 'sweep' THEN 'no sink has swept since then: none runs, it waits for Kafka, or many carts are due'
        WHEN behind_in IS NOT NULL THEN format('%s are behind in partition %s of %s', stage, behind_in[3], behind_in[2])
        WHEN holder <> '' THEN 'no ingress was healthy for a time: senders may still hold back deliveries'
        WHEN beat_at IS NULL THEN 'no ingress has appended a heartbeat yet'
        ELSE 'no ingress has appended a heartbeat since then: none runs, or Kafka takes none'
    END AS reason,
    updated_at AS swept_at
FROM held;
COMMENT ON VIEW freshness IS 'One row: up to when the tables are whole, how far that is behind, and why not further. A row can be there earlier: `whole_until` is the time before which none is missing.';
COMMENT ON COLUMN freshness.whole_until IS 'Everything that Kafka had before this time (the broker''s clock) is in the tables, and carts are found silent up to it; null before the first barrier has passed. The same as watermark.at.';
COMMENT ON COLUMN freshness.behind IS 'now - whole_until. While nothing holds it 10 to 20 seconds, with replicas 40 to 50: the margins for clocks that differ and for replicas.';
COMMENT ON COLUMN freshness.held_by IS 'What holds it: sweep (no sink moves it), ingress, processors, sinks; null where nothing does.';
COMMENT ON COLUMN freshness.topic IS 'Where processors or sinks hold it: the topic, as the broker names it, in which they are furthest behind.';
COMMENT ON COLUMN freshness.partition IS 'The partition of that topic.';
COMMENT ON COLUMN freshness.held_since IS 'Since when it is held, on the broker''s clock; by sweep: when a sink last swept (this server''s clock).';
COMMENT ON COLUMN freshness.reason IS 'The same as a sentence.';
COMMENT ON COLUMN freshness.swept_at IS 'When a sink last swept (this server''s clock); null before the first time.';
