-- What lapsed (rejected, expired, cancelled) holds no reference and counts for no limit. A column of its own, so that
-- the indexes over it stay as they are while an operation goes from state to state.
ALTER TABLE operation ADD COLUMN lapsed INTEGER NOT NULL DEFAULT 0;
UPDATE operation SET lapsed = 1 WHERE state IN ('rejected', 'expired', 'cancelled');
DROP INDEX operation_reference;
CREATE UNIQUE INDEX operation_reference ON operation (tenant, reference) WHERE action = 'create' AND lapsed = 0;
DROP INDEX operation_spent_by_connection;
CREATE INDEX operation_spent_by_connection ON operation (connection, currency, accepted_at, payee, minor_units)
    WHERE minor_units IS NOT NULL AND lapsed = 0;
DROP INDEX operation_spent_by_key;
CREATE INDEX operation_spent_by_key ON operation (maker, currency, accepted_at, payee, minor_units)
    WHERE minor_units IS NOT NULL AND lapsed = 0;
DROP INDEX operation_target;
CREATE INDEX operation_target ON operation (connection, target, updated_at) WHERE target IS NOT NULL;
