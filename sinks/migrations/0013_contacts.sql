-- Contact data leaves the log after weeks: this table is its record.

COMMENT ON TABLE customer_contacts IS 'Contact data: personal. The newest of each customer, and its only record: the log keeps contact data for 28 days, a rebuild takes this table over. The read-only role does not see it.';
COMMENT ON TABLE dead_letter_counts IS 'Dead letters by shop, day, kind and reason. The letters leave their topic after 28 days, the counts stay; a rebuild keeps them. Read dead_letters_by_day.';
