-- Several people may say yes to one plan.
CREATE TABLE yes (
    plan TEXT NOT NULL,
    actor TEXT NOT NULL,
    expires BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (plan, actor)
);
INSERT INTO yes (plan, actor, expires, body) SELECT plan, '', expires, body FROM approvals;
DROP TABLE approvals;
ALTER TABLE yes RENAME TO approvals;
CREATE TABLE rejections (
    plan TEXT PRIMARY KEY NOT NULL,
    application TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX rejections_application ON rejections (application);
-- What executions were let to delete, for budgets over the whole daemon.
CREATE TABLE spent (
    time BIGINT NOT NULL,
    application TEXT NOT NULL,
    deletes BIGINT NOT NULL
);
CREATE INDEX spent_time ON spent (time);
-- Break-glass is what its records say: they are found without reading the trail.
CREATE INDEX records_break_glass ON records (seq) WHERE kind = 'break-glass';
