-- Persons who were erased: what of the ledger is applied to these tables.
CREATE TABLE erasures (
    record_key text PRIMARY KEY,
    entry jsonb NOT NULL,
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    applied_at timestamptz NOT NULL DEFAULT now(),
    receipt jsonb NOT NULL
);
CREATE INDEX ON erasures ((entry->>'hashed'));
COMMENT ON TABLE erasures IS 'Entries of the ledger hookline.erasures that are applied to these tables: persons who were erased, by keyed hash and customer key, and hashes that a new contact key replaced. No address. The read-only role does not see it.';
COMMENT ON COLUMN erasures.record_key IS 'Key of the record in the ledger: erasure/subject or rotation/hash.';
COMMENT ON COLUMN erasures.entry IS 'The entry as it is in the ledger.';
COMMENT ON COLUMN erasures.number IS 'Grows with every entry and every change of one: writers compare it with what they have read.';
COMMENT ON COLUMN erasures.applied_at IS 'When it was applied to these tables.';
COMMENT ON COLUMN erasures.receipt IS 'What was deleted or stored again: rows by table.';

ALTER TABLE customers ADD COLUMN is_erased boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN customers.is_erased IS 'Whether the person was erased: without hash and contact data, the amounts stay.';
