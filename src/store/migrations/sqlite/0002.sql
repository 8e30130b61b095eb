-- What executions overwrote or deleted, for `trueup restore`. The body lies encrypted among the contents, by its plain SHA-256.
CREATE TABLE preimages (
    sync TEXT PRIMARY KEY NOT NULL,
    plan TEXT NOT NULL,
    expires BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX preimages_plan ON preimages (plan);
