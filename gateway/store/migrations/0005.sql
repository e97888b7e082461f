-- A tenant's operations, newest first, without sorting all of them.
CREATE INDEX operation_listed ON operation (tenant, id);
-- One index over what is under way, for leases and for limits, where there were two.
DROP INDEX operation_sending;
DROP INDEX operation_under_way;
CREATE INDEX operation_under_way ON operation (state, lease_until, connection, maker)
    WHERE state IN ('accepted', 'sending');
