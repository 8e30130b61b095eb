-- What people and programs come with from elsewhere. Only SHA-256 of the secret is kept.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY NOT NULL,
    hash TEXT NOT NULL,
    expires BIGINT NOT NULL,
    body TEXT NOT NULL
);
