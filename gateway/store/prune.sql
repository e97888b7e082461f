-- Forgets what was done to payouts that nobody has written to since :before (milliseconds of the epoch, at least
-- 13 months ago: a key that is forgotten may be used again). 10,000 operations a run; it ends with how many they were.
-- What stays: creates that may have been executed, for they prove payments and `audit reconcile` asks for them;
-- bulk calls that are not old as a whole; the audit log; and the last observation of each payout.
BEGIN;
CREATE TEMPORARY TABLE cutoff AS SELECT :before AS at;
CREATE TEMPORARY VIEW kept AS
    SELECT tenant, key, connection, kind, target FROM operation
    WHERE updated_at >= (SELECT at FROM cutoff)
        OR due_at IS NOT NULL
        OR state NOT IN ('succeeded', 'rejected', 'expired', 'cancelled', 'closed')
        OR (action = 'create' AND state IN ('succeeded', 'closed'));
CREATE TEMPORARY TABLE forgotten AS
    SELECT id, connection, target FROM operation AS each
    WHERE NOT EXISTS (SELECT 1 FROM kept WHERE kept.tenant = each.tenant AND kept.key = each.key)
        AND NOT EXISTS (
            SELECT 1 FROM kept
            WHERE kept.connection = each.connection AND kept.kind = each.kind AND kept.target = each.target
        )
    LIMIT 10000;
DELETE FROM attempt WHERE operation IN (SELECT id FROM forgotten);
DELETE FROM operation WHERE id IN (SELECT id FROM forgotten);
DELETE FROM observation
    WHERE (connection, target) IN (SELECT connection, target FROM forgotten)
        AND EXISTS (
            SELECT 1 FROM observation AS newer
            WHERE newer.connection = observation.connection AND newer.target = observation.target
                AND (newer.at > observation.at OR (newer.at = observation.at AND newer.id > observation.id))
        );
COMMIT;
SELECT COUNT(*) FROM forgotten;
