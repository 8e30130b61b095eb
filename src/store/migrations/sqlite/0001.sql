-- Only TEXT, BIGINT (microseconds since 1970) and BLOB, so that the same statements run on PostgreSQL.
CREATE TABLE meta (
    name TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE applications (
    name TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
);
-- A row is the claim; with a body it is an owned object too.
CREATE TABLE inventory (
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    application TEXT NOT NULL,
    body TEXT,
    PRIMARY KEY (target, kind, namespace, name)
);
CREATE INDEX inventory_application ON inventory (application, target);
CREATE TABLE owed (
    application TEXT NOT NULL,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (application, kind, namespace, name)
);
CREATE TABLE syncs (
    sync TEXT PRIMARY KEY NOT NULL,
    application TEXT NOT NULL UNIQUE,
    plan TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE plans (
    id TEXT PRIMARY KEY NOT NULL,
    application TEXT NOT NULL,
    created BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX plans_application ON plans (application);
CREATE TABLE approvals (
    plan TEXT PRIMARY KEY NOT NULL,
    expires BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE contents (
    address TEXT PRIMARY KEY NOT NULL,
    bytes BLOB NOT NULL
);
-- The trail. `bytes` is the leaf exactly as hashed; payload and salt lie beside it and may be erased.
-- INTEGER makes `seq` SQLite's own row number: without an index beside the table an append writes one page less.
CREATE TABLE records (
    seq INTEGER PRIMARY KEY NOT NULL,
    application TEXT,
    kind TEXT NOT NULL,
    sync TEXT,
    bytes TEXT NOT NULL,
    hash TEXT NOT NULL,
    salt TEXT,
    payload TEXT
);
CREATE INDEX records_application ON records (application, seq);
-- One row: how many leaves there are, their root, and the peaks that the next append needs.
CREATE TABLE head (
    id INTEGER PRIMARY KEY NOT NULL,
    size BIGINT NOT NULL,
    root TEXT NOT NULL,
    peaks TEXT NOT NULL
);
-- Where signed tree heads will lie.
CREATE TABLE checkpoints (
    size BIGINT PRIMARY KEY NOT NULL,
    root TEXT NOT NULL,
    note TEXT NOT NULL
);
