-- Who is told of the trail, and how far: the records above `seq` are what waits, so that the trail itself is the outbox.
CREATE TABLE sinks (
    name TEXT PRIMARY KEY NOT NULL,
    seq BIGINT NOT NULL,
    -- Since when it is declared no more.
    undeclared BIGINT,
    body TEXT NOT NULL
);
