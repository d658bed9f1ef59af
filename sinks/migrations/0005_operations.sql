-- What operators keep beside the tables: the audit's ledger, marks on dead letters.
CREATE TABLE audit_ledger (
    topic text NOT NULL,
    partition integer NOT NULL,
    begin_offset bigint NOT NULL,
    end_offset bigint NOT NULL CHECK (end_offset > begin_offset),
    shops jsonb NOT NULL,
    audited_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, begin_offset)
);
COMMENT ON TABLE audit_ledger IS 'Ranges of the raw topic that an audit found settled, with their counts: what is known of deliveries that retention has trimmed.';
COMMENT ON COLUMN audit_ledger.topic IS 'Raw topic on the broker.';
COMMENT ON COLUMN audit_ledger.partition IS 'Partition.';
COMMENT ON COLUMN audit_ledger.begin_offset IS 'First raw offset of the range.';
COMMENT ON COLUMN audit_ledger.end_offset IS 'Raw offset behind the range.';
COMMENT ON COLUMN audit_ledger.shops IS 'source/shop -> accepted, canonical, duplicates, dead_letters, replays.';
COMMENT ON COLUMN audit_ledger.audited_at IS 'When (this server''s clock).';

CREATE TABLE letter_marks (
    topic text NOT NULL,
    partition integer NOT NULL,
    letter_offset bigint NOT NULL,
    delivery_id text NOT NULL,
    mark text NOT NULL CHECK (mark IN ('replayed', 'discarded')),
    reason text NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, letter_offset)
);
COMMENT ON TABLE letter_marks IS 'Dead letters that operators settled. Whether a replay happened is asked of Kafka: a mark that is lost makes a letter show again, no more.';
COMMENT ON COLUMN letter_marks.topic IS 'Dead-letter topic on the broker.';
COMMENT ON COLUMN letter_marks.partition IS 'Partition of the letter.';
COMMENT ON COLUMN letter_marks.letter_offset IS 'Offset of the letter.';
COMMENT ON COLUMN letter_marks.delivery_id IS 'Its delivery: a mark is no other letter''s, should the topic be made anew.';
COMMENT ON COLUMN letter_marks.mark IS 'replayed or discarded.';
COMMENT ON COLUMN letter_marks.reason IS 'Why, in the operator''s words; of a replay what was found or done.';
COMMENT ON COLUMN letter_marks.marked_at IS 'When (this server''s clock).';
