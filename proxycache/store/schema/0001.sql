-- One generation of an entry: a stored response. At most one per key and variant.
-- Times are seconds since the epoch; lengths and sizes are bytes.
CREATE TABLE entry (
    id                TEXT PRIMARY KEY,     -- names the cache file
    key               BLOB NOT NULL,
    variant           TEXT NOT NULL,        -- JSON: the request's values of the fields that Vary names
    origin            TEXT NOT NULL,
    source_url        BLOB NOT NULL,
    status            INTEGER NOT NULL,
    fields            TEXT NOT NULL,        -- JSON: stored header lines, in their order, as latin-1
    length            INTEGER,              -- complete length; NULL while it is not known
    validator         BLOB,                 -- strong validator; NULL forbids joining parts
    validator_is_date INTEGER NOT NULL,
    request_time      REAL NOT NULL,
    response_time     REAL NOT NULL,
    rangeless         INTEGER NOT NULL,
    chunk_size        INTEGER NOT NULL,
    digest            INTEGER NOT NULL,     -- xxh3_64 of the columns above, signed: a rotten row is no row
    used_at           REAL NOT NULL,
    UNIQUE (key, variant)
);

CREATE INDEX entry_used_at ON entry (used_at);

-- A chunk that was written whole. Without a row here its bytes in the file mean nothing.
CREATE TABLE chunk (
    entry_id TEXT NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
    idx      INTEGER NOT NULL,              -- the chunk begins at idx * entry.chunk_size
    checksum INTEGER NOT NULL,              -- xxh3_64, as a signed number
    size     INTEGER NOT NULL,
    PRIMARY KEY (entry_id, idx)
) WITHOUT ROWID;
