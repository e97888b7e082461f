-- Which connection took an operation and why, and whether it may still move to another.
ALTER TABLE operation ADD COLUMN routing TEXT;
ALTER TABLE operation ADD COLUMN pinned INTEGER NOT NULL DEFAULT 1;
