-- Imported history: how far back it reaches, and shops that only an import has shown.
ALTER TABLE shops ALTER COLUMN first_received_at DROP NOT NULL;
ALTER TABLE shops ADD COLUMN history_from timestamptz;
ALTER TABLE shops ADD COLUMN history_version bigint[];
COMMENT ON COLUMN shops.first_received_at IS 'When the ingress received the first delivery that became an event; null while there are only imported ones.';
COMMENT ON COLUMN shops.history_from IS 'The shop''s history is imported back to this time, as its newest import states; null where none does.';
COMMENT ON COLUMN shops.history_version IS 'Append time, partition and offset of the raw record that states it: the newest counts.';
COMMENT ON COLUMN customer_lifetime_value.history_complete IS 'True if the customer was created at or after the shop''s first delivery, or the time back to which its history is imported; false if earlier, or if the platform counts more orders than were received; else null.';
