/** What docs/storage-schema.md says and no declaration does: lives of tables, meanings of columns. */

/** By table: who writes it, who removes from it, and when. */
export const LIVES: Readonly<Record<string, string>> = {
  access_rules:
    "Written by whoever manages access; a rule goes when it is revoked, and by a trigger with its console, user or group.",
  access_scope_consoles:
    "Written and removed by triggers alone, whenever a console, a tag or a scope comes, changes or goes.",
  access_scopes:
    "Written with the first rule that has the scope, removed by a trigger with the last one.",
  api_tokens:
    "Written when a user makes a token; a revoked one stays to be seen, and the job `expire-credentials` removes it 30 days after its expiry.",
  audit_chains: "One row a chain, written with every event of it; never removed.",
  audit_checkpoints:
    "Written by the job `sign-audit-checkpoint`; `apply-audit-retention` thins out old ones.",
  audit_keyring: "One row, written with each checkpoint; never removed.",
  audit_events:
    "Written with the change that each row tells of, in the same transaction; removed by the job `apply-audit-retention` alone, after the time that is set.",
  authority_keys:
    "A row an authority, written from the setting `CA_KEY` when it is first needed, by the job `keep-authority-key`, or at the start of a host on one machine; never removed.",
  console_tags:
    "Written with its console by admins; removed with the tag, and by a trigger when the console is deleted.",
  consoles:
    "Written by admins; a deleted console keeps its row, because sessions and the trail point to it.",
  denials:
    "Written with what takes a right away, and by the job that tells relays of it; a newer one replaces its subject's, and the job `tend-denials` removes those that cannot matter any more.",
  group_members:
    "Written by admins, and by each login through a provider that tells groups; removed by the same, with the group, and when the user is deleted.",
  groups: "Written by admins and by logins through providers; removed by admins.",
  idempotency_keys:
    "Written before a request with an `Idempotency-Key` is carried out, and once more with its answer; the job `expire-credentials` removes it after its life.",
  identities:
    "Written with a person's first login through a provider; never removed while the user's row is there.",
  join_tokens:
    "Written by admins, marked by the enrolment that uses it or by whoever revokes it; the job `expire-credentials` removes it a week after its expiry.",
  logins:
    "Written by each login; removed by logging out, with a new password, when the user is disabled or deleted, and after its expiry by the job `expire-credentials`.",
  own_certificates:
    "Written when a relay reports its operator's certificate; removed when it reports none.",
  policies: "Written and removed by admins; one that is attached stays.",
  policy_attachments: "Written and removed by admins.",
  relay_streams:
    "Written with each message of a relay's events, in the same transaction; a relay keeps its newest streams.",
  relays:
    "Written by the relay's enrolment, by its hub as it connects, serves and goes, and by whoever manages relays; a deleted relay keeps its row, because sessions and the trail point to it.",
  schema_migrations: "Written and removed by the migration runner, with each step.",
  session_changes:
    "Written by triggers as sessions change; the job `sweep-session-feed` removes what nobody follows any more.",
  session_channels:
    "Written as relays report channels that open and close; removed with its session.",
  sessions:
    "Written with its first ticket; changed by what its relay reports, by whoever ends it, by its hub and by the job `expire-sessions`; never removed.",
  shares:
    "Written by whoever shares a console; a use is taken with each ticket, and given back when no relay takes the session. The job `expire-credentials` removes one that opened no session 30 days after its expiry; one that did stays with its sessions, revoked or expired.",
  signing_keys:
    "Written by the rotation of keys; a key loses its private half when it is retired, and its row stays.",
  site_fallbacks: "Written and removed with what its site falls back on; removed with its site.",
  sites: "Written and removed by whoever manages relays; the default site always is.",
  sources: "Written with the first console that names it; never removed.",
  tickets:
    "Written with its session, replaced when another relay has to take it; the job `expire-credentials` removes it a day after its expiry.",
  users:
    "Written by admins, by `npm run user` and by first logins through providers; a deleted user keeps an empty row for what points to it.",
  webhook_deliveries:
    "Written for messages that failed at least once; the job `expire-credentials` removes delivered ones after a week and dead ones after thirty days, and they go with their webhook.",
  webhooks:
    "Written and removed by admins; the job `deliver-webhooks` keeps its place in the trail.",
};

/** By `table.column`, else by the column's name in every table. */
export const MEANINGS: Readonly<Record<string, string>> = {
  "access_rules.console_id": "The one console that the rule is about; null: it has a scope.",
  "access_rules.scope_id": "The scope that the rule is about; null: it has a console.",
  "access_rules.subject_kind": "To whom it grants something.",
  "access_scope_consoles.name": "The console's, so that a page is read in the order of lists.",
  "access_scopes.project": "Empty: any.",
  "access_scopes.source_id": "Empty: any.",
  "access_scopes.tag": "Empty: any.",
  "api_tokens.name": "What its owner calls it.",
  "audit_chains.hash": "The newest event's hash.",
  "audit_chains.seq": "The newest event's place in the chain.",
  "audit_chains.writer": "The chain's name.",
  "audit_checkpoints.number": "Counts up by one, so that a missing one shows.",
  "audit_events.actor_id": "Who did it.",
  "audit_events.actor_kind": "What kind of caller did it.",
  "audit_events.address": "The caller's or the SPICE client's.",
  "audit_events.hash": "Over the event and the hash before it.",
  "audit_events.request_id": "The `X-Request-Id` of the request that did it.",
  "audit_events.seq": "Its place in its chain.",
  "audit_events.type": "One of `shared/audit/events.ts`.",
  "consoles.site_id": "The site whose relays reach it; null: its source's.",
  "consoles.ca": "What its TLS certificate is checked with, as PEM.",
  "consoles.host": "Where its hypervisor is reached.",
  "consoles.host_subject": "The subject that its certificate must have.",
  "consoles.port": "The plain port; one of the two is there.",
  "consoles.tls_port": "The TLS port.",
  "consoles.uuid": "Its name in its source, once among those that are not deleted.",
  "denials.announced_at_ms":
    "When every relay that it concerns had been told; null: it is still to be told.",
  "denials.at_ms": "What was granted before is void.",
  "denials.revision": "Grows with each denial.",
  "denials.subject": "What kind of thing is denied.",
  "denials.subject_id": "Whose grants are void.",
  "denials.until_ms": "From when on nothing that was granted before can still live.",
  "identities.provider": "The provider's name in the settings.",
  "identities.subject": "What never changes of the person there.",
  "join_tokens.created_by": "The admin who made it.",
  "join_tokens.name": "The name that the relay must have; null: any.",
  "join_tokens.site_id": "The site that the relay will belong to; null: the default site.",
  "join_tokens.relay_id": "The relay that it let in.",
  "own_certificates.chain": "The certificates as PEM; public.",
  "own_certificates.reported_at_ms": "When the relay told of it last.",
  "relay_streams.stored_seq": "The last event of the stream that is stored.",
  "relay_streams.stream": "A life of the relay: its events count from 1 in each.",
  "relays.build": "The version that it runs.",
  "relays.certificate": "What we signed for it, as PEM; public.",
  "relays.channels_max": "How many channels it can carry.",
  "relays.clock_skew_ms": "How far its clock was ahead of ours as it came; null: it did not say.",
  "relays.control_version": "The version of the contract that its last welcome agreed on.",
  "relays.drain_ends_at_ms": "When that drain ends living sessions; null: it does not.",
  "relays.drain_ordered": "Whether the control plane drains it, whatever its operator does.",
  "relays.is_full": "Whether it can take no more.",
  "relays.last_errors": "The last refusals and losses, the oldest first, as JSON.",
  "relays.load": "Its load when its level changed last, as JSON.",
  "relays.load_at_ms": "When it said so.",
  "relays.load_level": "How loaded it is, from 0 to 10.",
  "relays.last_seen_at_ms": "When it was heard of last.",
  "relays.next_key_at_ms": "When it offered that key.",
  "relays.renewals_since_ms": "From when its certificates are counted.",
  "relays.state": "Whether its hub has its connection.",
  "relays.ticket_epoch": "Counts its ticket keys; a new one makes all of its tickets void.",
  "session_changes.seq": "The change's number, in the order in which changes became visible.",
  "session_channels.channel_id": "Tells channels of one type apart.",
  "session_channels.close_reason": "Why it closed.",
  "sessions.end_detail": "A sentence for people on why it ended.",
  "sessions.end_reason": "Why it ended, as a code.",
  "sessions.end_requested_at_ms": "When its end was asked for last.",
  "sessions.relay_id": "The relay that has it, or was to have it.",
  "shares.issuer_id": "Whose right to the console the link passes on.",
  "shares.uses_left": "How often it can still be opened.",
  "shares.uses_max": "How often it can be opened at all.",
  "signing_keys.kid": "The key's id, as it stands in what it signed.",
  "site_fallbacks.fallback_site_id": "The site whose relays are asked then.",
  "site_fallbacks.position": "The order in which fallbacks are asked, from 1.",
  "sources.kind": "How its consoles come here.",
  "sources.name": "What the API calls it.",
  "tickets.grant_id": "The `jti` of its grant.",
  "tickets.grant_jws":
    "The signed grant; the hypervisor's password in it is sealed for its relay alone.",
  "tickets.ticket_epoch": "Of the relay's key that the ticket is made with.",
  "tickets.vv_fetched_at_ms": "When its console file was fetched, which can be done once.",
  "tickets.vv_token_hash": "SHA-256 of the token in the console file's address.",
  "tickets.ticket_hash": "SHA-256 of the ticket.",
  "tickets.withdrawn_at_ms": "From when on it opens nothing any more.",
  "users.role": "What they may do (`worker/identity/permissions.ts`).",
  "users.username": "Unique in any case of its letters.",
  "webhook_deliveries.attempted_at_ms": "When it was sent last.",
  "webhook_deliveries.attempts": "How often it was sent.",
  "webhook_deliveries.error": "What went wrong with the last attempt.",
  "webhook_deliveries.last_position": "The last event of the message.",
  "webhook_deliveries.next_attempt_at_ms": "Null: it is not sent by itself again.",
  "webhooks.dead_in_a_row": "Messages given up one after the other; too many disable it.",
  "webhooks.enabled": "Whether messages are sent.",
  "webhooks.old_secret_until_ms": "Until when the old secret signs as well.",
  "webhooks.sealed_secret": "What its messages are signed with.",
  "webhooks.url": "Where messages go.",
  activated_at_ms: "When it began to sign.",
  address: "From where it came.",
  at_ms: "When it happened.",
  changed_at_ms: "When it was changed last.",
  channel: "The channel's type.",
  channel_id: "The channel's number among those of its type.",
  client_address: "From where the client came.",
  client_bytes: "Bytes of messages that the client sent.",
  console_id: "The console.",
  created_at_ms: "When it was made.",
  deleted_at_ms: "When it was deleted; null: it was not.",
  description: "For people.",
  disabled_at_ms: "When it was disabled; null: it is not.",
  display_name: "For people.",
  email: "For people; nothing is sent there.",
  ended_at_ms: "When it ended.",
  ends_at_ms: "When it ends.",
  enrolled_at_ms: "When it joined.",
  expires_at_ms: "From when on it is good for nothing.",
  group_id: "The group.",
  host: "Where it is reached.",
  id: "Made by us; its prefix says what it is of.",
  kind: "Which kind it is.",
  last_login_at_ms: "When they logged in last.",
  last_used_address: "From where it was used last.",
  last_used_at_ms: "When it was used last.",
  name: "What people call it.",
  opened_at_ms: "When it opened.",
  policy_id: "The policy.",
  relay_id: "The relay.",
  retired_at_ms: "When it stopped signing.",
  revoked_at_ms: "When it was revoked; null: it was not.",
  scope_id: "The scope.",
  server_bytes: "Bytes of messages that the server sent.",
  session_id: "The session.",
  site_id: "The site.",
  source_id: "The source.",
  state: "How far it has come.",
  tag: "The tag.",
  tls_port: "The port for TLS.",
  token_hash: "SHA-256 of the token.",
  used_at_ms: "When it was used.",
  user_agent: "What the browser called itself.",
  user_id: "The user.",
  webhook_id: "The webhook.",
  "schema_migrations.applied_at": "When it was applied, in ISO 8601.",
  "schema_migrations.sha256": "Of its file: an applied one must not change.",
  "schema_migrations.tag": "The migration's name.",
};

/** The tables of Durable Objects, each in its own SQLite. */
export const OBJECT_TABLES: readonly {
  readonly object: string;
  readonly table: string;
  readonly life: string;
  /** Column and meaning. */
  readonly columns: readonly (readonly [string, string])[];
}[] = [
  {
    object: "RelayHub, one a relay",
    table: "pushes",
    life: "Written with each command for the relay, removed when the relay acknowledges it. Grants are forgotten when the object wakes up: whoever waited for them was told that they failed.",
    columns: [
      ["`id`", "The order in which commands came; key."],
      ["`seq`", "The command's number on the wire; null: it was not sent yet."],
      ["`command`", "The command as JSON; a grant in it is signed, its password sealed."],
    ],
  },
  {
    object: "RelayHub, one a relay",
    table: "memory",
    life: "Written whenever it changes, never removed.",
    columns: [
      [
        "`key`",
        "`state`: what of the hub's state outlives its memory. `relay-id`: whose hub it is. Key.",
      ],
      ["`value`", "JSON, and for `relay-id` the id itself."],
    ],
  },
  {
    object: "RateLimiter, one for each name of a limit",
    table: "limits",
    life: "Written with each attempt that is counted, removed when it says nothing any more; the alarm sweeps, and those that would expire first go when there are too many.",
    columns: [
      ["`key`", "The hash or the name of what is limited; key."],
      ["`full_at_ms`", "When as many attempts are free again as at the beginning."],
      ["`told_until_ms`", "Until when the audit trail has been told of it."],
      ["`known_until_ms`", "Until when somebody who succeeded is known to be no stranger."],
      ["`expires_at_ms`", "When the row says nothing any more."],
    ],
  },
  {
    object: "JobClock, the only one",
    table: "job_runs",
    life: "One row a job, written when a run begins and when it has ended; never removed.",
    columns: [
      ["`name`", "The job's; key."],
      ["`started_at_ms`", "When its last run began."],
      ["`duration_ms`", "How long that took; null while it runs."],
      ["`succeeded_at_ms`", "When it succeeded last."],
      ["`error`", "Why the last run failed."],
      ["`again`", "1: it stopped at its bound, with more to do."],
    ],
  },
];
