-- Operations, their attempts, and what was observed. Times are milliseconds of the epoch.
-- The same text runs on every engine; AUTONUMBER stands for the engine's key that numbers itself.
CREATE TABLE operation (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    maker TEXT NOT NULL,
    key TEXT NOT NULL,
    item TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    connection TEXT NOT NULL,
    effect TEXT NOT NULL,
    target TEXT,
    request TEXT NOT NULL,
    reference TEXT,
    provider_reference TEXT,
    currency TEXT,
    minor_units BIGINT,
    carried TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    detail TEXT,
    attribution TEXT,
    unsure INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    resends INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    sent_at BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    step TEXT,
    due_at BIGINT,
    payout TEXT,
    decisions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX operation_key ON operation (tenant, key, item);
CREATE UNIQUE INDEX operation_reference ON operation (tenant, reference)
    WHERE action = 'create' AND state NOT IN ('rejected', 'expired', 'cancelled');
CREATE UNIQUE INDEX operation_busy ON operation (connection, kind, target)
    WHERE target IS NOT NULL AND state IN ('awaiting_approval', 'accepted', 'sending', 'unknown', 'needs_review');
CREATE INDEX operation_target ON operation (connection, target, updated_at);
CREATE INDEX operation_due ON operation (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX operation_sending ON operation (lease_until) WHERE state = 'sending';
CREATE INDEX operation_provider_reference ON operation (connection, provider_reference)
    WHERE provider_reference IS NOT NULL;
CREATE TABLE attempt (
    operation TEXT NOT NULL REFERENCES operation (id),
    number INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    sent INTEGER,
    http_status INTEGER,
    outcome TEXT,
    detail TEXT,
    PRIMARY KEY (operation, number)
);
CREATE TABLE observation (
    id AUTONUMBER,
    connection TEXT NOT NULL,
    target TEXT NOT NULL,
    at BIGINT NOT NULL,
    source TEXT NOT NULL,
    payout TEXT NOT NULL
);
CREATE INDEX observation_target ON observation (connection, target, at);
CREATE TABLE audit (
    tenant TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    event TEXT NOT NULL,
    operation TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    evidence TEXT NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (tenant, seq)
);
CREATE TABLE audit_head (
    tenant TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    mac TEXT NOT NULL
);
