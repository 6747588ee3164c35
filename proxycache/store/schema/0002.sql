-- What an entry counts for where space is concerned, and when it is good for nothing.
ALTER TABLE entry ADD COLUMN room INTEGER NOT NULL DEFAULT 0;  -- bytes that this row counts for, with its indices
ALTER TABLE entry ADD COLUMN useful_until REAL;                -- NULL while the origin may renew it

UPDATE entry SET room = 512
    + 2 * (length(id) + 3 * length(key) + 2 * length(variant) + length(source_url) + length(fields));

CREATE INDEX entry_useful_until ON entry (useful_until) WHERE useful_until IS NOT NULL;
