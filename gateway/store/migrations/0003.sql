-- What limits are counted by, and what an operation must have before it is accepted.
ALTER TABLE operation ADD COLUMN payee TEXT;
ALTER TABLE operation ADD COLUMN approval TEXT;
ALTER TABLE operation ADD COLUMN accepted_at BIGINT;
UPDATE operation SET accepted_at = created_at;
CREATE INDEX operation_spent_by_connection ON operation (connection, currency, accepted_at, payee, state, minor_units)
    WHERE minor_units IS NOT NULL;
CREATE INDEX operation_spent_by_key ON operation (maker, currency, accepted_at, payee, state, minor_units)
    WHERE minor_units IS NOT NULL;
CREATE INDEX operation_under_way ON operation (connection, maker) WHERE state IN ('accepted', 'sending');
-- One row for each connection or key with limits: its lock makes acceptances take turns.
CREATE TABLE limit_turn (
    holder TEXT PRIMARY KEY
);
