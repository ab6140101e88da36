-- At least one row in every table of revision 0001, as that revision's program wrote them. Never edited afterwards:
-- databases out there look like this, and later migrations have to take it.

INSERT INTO users (key, name, email, role, time_zone, password_hash, created_at, updated_at) VALUES
    ('ana', 'Ana Östberg', 'ana@example.org', 'operator', 'Europe/Stockholm', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA', '2026-11-01', '2026-11-01'),
    ('ben', 'Ben', 'Ben@example.org', 'manager', NULL, NULL, '2026-11-01', '2026-11-02'),
    ('cara', 'Cara', 'cara@example.org', 'admin', NULL, NULL, '2026-11-01', '2026-11-01');
UPDATE users SET active = false WHERE key = 'cara';

INSERT INTO teams (key, name, created_at, updated_at) VALUES ('payments', 'Payments', '2026-11-01', '2026-11-01');
INSERT INTO team_members (team_id, user_id, role) SELECT t.id, u.id, CASE u.key WHEN 'ben' THEN 'manager' ELSE 'member' END
FROM teams t, users u WHERE u.key <> 'cara';

INSERT INTO escalation_policies (key, name, team_id, repeats, created_at, updated_at)
SELECT 'payments', 'Payments, day and night', id, 2, '2026-11-01', '2026-11-01' FROM teams;
INSERT INTO organisation (id, name, time_zone, catch_all_policy_id, created_at, updated_at)
SELECT 1, 'Example', 'Europe/Berlin', id, '2026-11-01', '2026-11-01' FROM escalation_policies;
UPDATE configuration_version SET version = 17;
UPDATE housekeeping SET done_at = '2026-11-20';
INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, '2026-11-20', '2026-11-20', 1);

INSERT INTO schedules (key, name, team_id, time_zone, created_at, updated_at)
SELECT 'payments', 'Payments', id, 'America/New_York', '2026-11-01', '2026-11-01' FROM teams;
INSERT INTO layers (schedule_id, position, name, unit, length, anchor, members, restrictions, starts_at, ends_at)
SELECT s.id, 0, 'Nights', 'week', 1, '2026-11-02 09:00', '["ana", "ben"]',
       '[{"days": [1, 2, 3, 4, 5], "from": "18:00", "to": "08:00"}]', '2026-11-02', NULL FROM schedules s;
INSERT INTO overrides (schedule_id, user_id, replaces_user_id, starts_at, ends_at, created_by, created_at)
SELECT s.id, u.id, NULL, '2026-11-21', '2026-11-22', 'user:ben', '2026-11-20' FROM schedules s, users u WHERE u.key = 'ben';
INSERT INTO overrides (schedule_id, user_id, replaces_user_id, starts_at, ends_at, created_by, created_at)
SELECT s.id, a.id, b.id, '2026-11-21', '2026-11-23', 'user:ben', '2026-11-20'
FROM schedules s, users a, users b WHERE a.key = 'ana' AND b.key = 'ben';

INSERT INTO escalation_steps (policy_id, position, delay_s) SELECT id, p, 300 FROM escalation_policies, generate_series(0, 2) p;
INSERT INTO escalation_targets (step_id, position, user_id) SELECT s.id, 0, u.id FROM escalation_steps s, users u
WHERE s.position = 0 AND u.key = 'ana';
INSERT INTO escalation_targets (step_id, position, schedule_id) SELECT s.id, 0, c.id FROM escalation_steps s, schedules c WHERE s.position = 1;
INSERT INTO escalation_targets (step_id, position, team_id) SELECT s.id, 0, t.id FROM escalation_steps s, teams t WHERE s.position = 2;
INSERT INTO last_resort_targets (position, user_id) SELECT 0, id FROM users WHERE key = 'cara';

INSERT INTO services (key, name, team_id, policy_id, criticality, tags, support_hours, runbook_url, recovery_delay_s, created_at, updated_at)
SELECT 'checkout', 'Checkout', t.id, p.id, 1, '{web,money}', '{"time_zone": "Europe/Berlin", "hours": [{"days": [1], "from": "08:00", "to": "18:00"}]}',
       'https://wiki.example.org/checkout', 60, '2026-11-01', '2026-11-01' FROM teams t, escalation_policies p;
INSERT INTO services (key, name, created_at, updated_at) VALUES ('orphan', 'Nobody''s', '2026-11-01', '2026-11-01');
INSERT INTO integrations (key, name, source, service_id, ignored_labels, mapping, created_at, updated_at)
SELECT 'checkout-generic', 'Scripts', 'generic', id, '{replica}', '{"title": "msg"}', '2026-11-01', '2026-11-01' FROM services WHERE key = 'checkout';
INSERT INTO routing_keys (integration_id, key_hash, hint, created_at, expires_at)
SELECT id, sha256('old'), 'xold', '2026-11-01'::timestamptz, '2026-11-21'::timestamptz FROM integrations
UNION ALL SELECT id, sha256('new'), 'xnew', '2026-11-20', NULL FROM integrations;

INSERT INTO contact_methods (user_id, channel, address, verified_at, broken_at, broken_because, created_at, updated_at)
SELECT id, 'sms', '+4915112345678', '2026-11-01'::timestamptz, NULL::timestamptz, NULL, '2026-11-01'::timestamptz, '2026-11-01'::timestamptz FROM users WHERE key = 'ana'
UNION ALL SELECT id, 'mail', 'ben@example.org', '2026-11-01', '2026-11-05', 'hard bounce', '2026-11-01', '2026-11-05' FROM users WHERE key = 'ben';
INSERT INTO contact_methods (user_id, channel, address, code_hash, code_expires_at, code_tries, created_at, updated_at)
SELECT id, 'mail', 'ana@example.org', sha256('123456'), '2026-11-20', 2, '2026-11-01', '2026-11-01' FROM users WHERE key = 'ana';
INSERT INTO notification_rules (user_id, loudness, delay_s, contact_method_id)
SELECT user_id, 'loud', 0, id FROM contact_methods WHERE channel = 'sms';

INSERT INTO api_keys (key, name, secret_hash, hint, scopes, user_id, created_at, expires_at)
SELECT 'ci', 'CI', sha256('ci'), 'abcd', '{read,configure}'::text[], NULL::bigint, '2026-11-01'::timestamptz, '2027-11-01'::timestamptz
UNION ALL SELECT 'ana-phone', 'Ana', sha256('ana'), 'efgh', '{respond}', id, '2026-11-01', NULL FROM users WHERE key = 'ana';
INSERT INTO sessions (token_hash, user_id, created_at, expires_at, user_agent)
SELECT sha256('session'), id, '2026-11-20', '2026-12-04', 'Firefox' FROM users WHERE key = 'ana';
INSERT INTO one_time_links (token_hash, user_id, created_at, expires_at)
SELECT sha256('link'), id, '2026-11-20', '2026-11-21' FROM users WHERE key = 'ben';
INSERT INTO idempotency_keys (caller, key, request_hash, status, headers, body, created_at)
VALUES ('api_key:ci', 'once', sha256('body'), 201, '{"etag": "1"}', '{"key": "payments"}', '2026-11-20');

INSERT INTO rule_set_versions (kind, version, rules, published_at, published_by)
VALUES ('priority', 1, '[{"key": "money", "when": "severity == \"critical\"", "set": {"impact": 1}}]', '2026-11-01', 'user:cara');
INSERT INTO priority_matrix_versions (version, matrix, published_at, published_by)
VALUES (1, '[[1, 2, 3], [2, 3, 4], [3, 4, 5]]', '2026-11-01', 'user:cara');
INSERT INTO audit_records (id, at, actor, action, entity, entity_key, before, after)
VALUES ('01936a00-0000-7000-8000-0000000000a1', '2026-11-01', 'user:cara', 'team.created', 'team', 'payments', NULL, '{"name": "Payments"}');

-- The road: one incident that is taken, one that is over, one alert that never was one.
INSERT INTO receipts (id, integration_id, at, status, size, error, outcomes)
SELECT '01936a00-0000-7000-8000-000000000001', id, '2026-11-20', 202, 512, NULL, '[[0, "opened", "01936a00-0000-7000-8000-000000000011"]]' FROM integrations;
INSERT INTO alerts (id, integration_id, dedup_key, state, occurrence_id, service_id, title, severity, digest, labels, annotations,
                    links, starts_at, first_seen_at, last_seen_at, expires_at, expiry_due_at, ended_at, end_kind, end_received_at)
SELECT '01936a00-0000-7000-8000-000000000011'::uuid, i.id, 'f00', 'firing', '01936a00-0000-7000-8000-000000000021'::uuid, i.service_id,
       'Error rate high ☂', 'critical', -42, '{"alertname": "ErrorRate", "job": "checkout"}'::jsonb, '{"summary": "5 %"}'::jsonb,
       '[["https://prometheus.example.org/graph", "source"]]'::jsonb, '2026-11-20'::timestamptz, '2026-11-20'::timestamptz, '2026-11-20'::timestamptz,
       '2026-11-20 00:05'::timestamptz, '2026-11-20 00:05'::timestamptz, NULL::timestamptz, NULL, NULL::timestamptz FROM integrations i
UNION ALL
SELECT '01936a00-0000-7000-8000-000000000012', i.id, 'f01', 'resolved', '01936a00-0000-7000-8000-000000000022', i.service_id,
       'Disk full', 'warning', 7, '{}', '{}', '[]', '2026-11-19', '2026-11-19', '2026-11-19', NULL, NULL, '2026-11-19', 'resolved', '2026-11-19'
FROM integrations i;
INSERT INTO incidents (id, service_id, correlation_key, open_key, title, state, epoch, priority, impact, urgency, verdict, priority_pin, loudness,
                       opened_at, triggered_at, acknowledged_at, acknowledged_by_id, wakes_at, wakes_because, assigned_to_id,
                       resolved_at, resolved_by, last_occurrence_at, firing, occurrences)
SELECT '01936a00-0000-7000-8000-000000000031'::uuid, s.id, 'checkout/ErrorRate', 'checkout/ErrorRate', 'Error rate high ☂', 'acknowledged', 2, 1, 1, 1,
       '{"inputs": []}'::jsonb, '{"by": "ana", "at": "2026-11-20T00:00:00+00:00", "reason": "money"}'::jsonb, 'loud', '2026-11-20'::timestamptz,
       '2026-11-20'::timestamptz, '2026-11-20'::timestamptz, u.id, '2026-11-20 00:30'::timestamptz, 'expires', u.id,
       NULL::timestamptz, NULL, '2026-11-20'::timestamptz, 1, 1 FROM services s, users u WHERE s.key = 'checkout' AND u.key = 'ana'
UNION ALL
SELECT '01936a00-0000-7000-8000-000000000032', s.id, 'checkout/Disk', NULL, 'Disk full', 'resolved', 1, 4, 3, 2, '{"inputs": []}', NULL, 'quiet',
       '2026-11-19', '2026-11-19', NULL, NULL, NULL, NULL, NULL, '2026-11-19', 'tocsin', '2026-11-19', 0, 1 FROM services s WHERE s.key = 'checkout';
INSERT INTO occurrences (id, alert_id, incident_id, service_id, starts_at, ended_at, end_kind, severity, priority, suppressed)
SELECT '01936a00-0000-7000-8000-000000000021'::uuid, '01936a00-0000-7000-8000-000000000011'::uuid, '01936a00-0000-7000-8000-000000000031'::uuid, id,
       '2026-11-20'::timestamptz, NULL::timestamptz, NULL, 'critical', 1, NULL::jsonb FROM services WHERE key = 'checkout'
UNION ALL SELECT '01936a00-0000-7000-8000-000000000022', '01936a00-0000-7000-8000-000000000012', '01936a00-0000-7000-8000-000000000032', id,
       '2026-11-19', '2026-11-19', 'resolved', 'warning', 4, '{"by": "routing rule", "rule": "watchdog"}' FROM services WHERE key = 'checkout';
INSERT INTO events (id, receipt_id, alert_id, occurrence_id, at, kind, outcome, severity, starts_at, ends_at, labels, annotations, details)
VALUES ('01936a00-0000-7000-8000-000000000041', '01936a00-0000-7000-8000-000000000001', '01936a00-0000-7000-8000-000000000011',
        '01936a00-0000-7000-8000-000000000021', '2026-11-20', 'firing', 'opened', 'critical', '2026-11-20', NULL, '{"job": "checkout"}', '{}', '{"x": [1]}');
INSERT INTO quarantine (id, integration_id, receipt_id, kind, at, last_at, count, error, headers, body, body_hash)
SELECT '01936a00-0000-7000-8000-000000000051', id, '01936a00-0000-7000-8000-000000000001', 'body', '2026-11-20', '2026-11-20', 3, 'not JSON', '{}',
       '\x00ff', sha256('\x00ff') FROM integrations;
INSERT INTO timeline_entries (id, incident_id, at, kind, actor, data)
VALUES ('01936a00-0000-7000-8000-000000000061', '01936a00-0000-7000-8000-000000000031', '2026-11-20', 'opened', 'tocsin', '{"title": "Error rate high"}');
INSERT INTO acknowledgements (id, incident_id, epoch, user_id, at, channel)
SELECT '01936a00-0000-7000-8000-000000000071', '01936a00-0000-7000-8000-000000000031', 2, id, '2026-11-20', 'link' FROM users WHERE key = 'ana';
INSERT INTO ladders (id, incident_id, purpose, policy, epoch, round, step, reached, next_step_at, started_at)
VALUES ('01936a00-0000-7000-8000-000000000081', '01936a00-0000-7000-8000-000000000031', 'page', '{"key": "payments", "steps": []}', 2, 0, 1, 1, NULL, '2026-11-20');
INSERT INTO notifications (id, key, purpose, loudness, state, user_id, contact_method_id, channel, address, incident_id, ladder_id, epoch, round,
                           step, content, created_at, due_at, claimed_at, tries, finished_at)
SELECT '01936a00-0000-7000-8000-000000000091'::uuid, 'page/1', 'page', 'loud', 'delivered', m.user_id, m.id, m.channel, m.address,
       '01936a00-0000-7000-8000-000000000031'::uuid, '01936a00-0000-7000-8000-000000000081'::uuid, 1, 0, 0, '{}'::jsonb,
       '2026-11-20'::timestamptz, '2026-11-20'::timestamptz, '2026-11-20'::timestamptz, 1, '2026-11-20'::timestamptz
FROM contact_methods m WHERE m.channel = 'sms'
UNION ALL SELECT '01936a00-0000-7000-8000-000000000092', 'verification/1', 'verification', 'loud', 'pending', m.user_id, m.id, m.channel, m.address,
       NULL, NULL, NULL, NULL, NULL, '{"code": "sealed"}', '2026-11-20', '2026-11-20', NULL, 0, NULL
FROM contact_methods m WHERE m.channel = 'mail' AND m.verified_at IS NULL;
INSERT INTO attempts (id, notification_id, number, callback_hash, started_at, finished_at, provider, provider_id, status)
VALUES ('01936a00-0000-7000-8000-0000000000b1', '01936a00-0000-7000-8000-000000000091', 1, sha256('callback'), '2026-11-20', '2026-11-20', 'twilio', 'SM1', 'delivered');
INSERT INTO link_tokens (token_hash, incident_id, user_id, notification_id, expires_at)
SELECT sha256('token'), '01936a00-0000-7000-8000-000000000031', id, '01936a00-0000-7000-8000-000000000091', '2026-11-21' FROM users WHERE key = 'ana';
