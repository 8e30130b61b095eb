-- The records about the trail itself (keys, what was archived or erased): few, and found without reading the others.
CREATE INDEX records_trail ON records (seq) WHERE kind = 'trail';
