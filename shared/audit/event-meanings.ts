/**
 * What each type of event tells, in a sentence, for docs/audit-events.md. A type whose name says it
 * all needs none.
 */
import type { AuditEventType } from "./events.ts";

export const EVENT_MEANINGS: Partial<Record<AuditEventType, string>> = {
  "user.created": "A user was made.",
  "user.logged-in": "Somebody logged in.",
  "user.login-refused":
    "A login was refused. A name that nobody has is not kept: it may be a password.",
  "user.logged-out": "A login was ended by its user.",
  "source.created": "A source of consoles was made.",
  "console.created": "A console was added.",
  "console.updated": "Fields of a console were changed.",
  "console.deleted": "A console was deleted.",
  "ticket.issued": "A ticket was given out, for the console and the session that the event names.",
  "ticket.denied": "No ticket was given; `heldBy` is the session that was in the way.",
  "ticket.withdrawn": "A ticket was taken back before anybody got it: its relay did not take it.",
  "ticket.downloaded":
    "A console file, or what a web console needs, was fetched by whoever had its address; " +
    "`subjectId` is the user that it was made for.",
  "ticket.refused":
    "A relay refused a ticket that a client presented; `count` refusals alike are one event.",
  "session.failed": "A session could not begin.",
  "session.opened": "The console was shown: the main channel is linked.",
  "session.resumed": "A session that was given up lives: its relay has come back.",
  "session.ended": "A session ended, with the bytes that it carried.",
  "session.terminate-requested": "Somebody asked for a session's end.",
  "session.superseded": "A session had to give way to another one of the same console.",
  "channel.opened": "A channel was linked.",
  "channel.closed": "A channel ended, with the bytes that it carried.",
  "channel.firewall": "The firewall found unlawful messages on a channel.",
  "channel.refused": "A channel was refused, by the relay or by the hypervisor.",
  "join-token.created": "A token was made that lets one relay join.",
  "relay.enrolled": "A relay joined.",
  "relay.online": "A relay came.",
  "relay.offline": "A relay went, or was lost.",
  "relay.draining": "A relay takes no new sessions.",
  "relay.serving": "A relay takes new sessions again.",
  "relay.refused": "The control plane refused what a relay said.",
  "audit.exported": "Somebody took events away as a file; `query` says which.",
  "audit.retention-applied": "Events that were stored before that time may be deleted from now on.",
  "audit.broken": "A chain of this trail is, from that link on, not what was stored.",
  "webhook.created": "A webhook was added. Only the origin of its address is told.",
  "webhook.updated": "Fields of a webhook were changed.",
  "webhook.deleted": "A webhook was deleted.",
  "webhook.secret-rotated": "A webhook got another secret.",
  "webhook.disabled":
    "A webhook was disabled by itself: its receiver took nothing for days, or is gone.",
  "webhook.enabled":
    "A webhook was enabled again; `skipped` events that it missed were deleted by retention.",
  "webhook.redriven": "A message that was given up is delivered after all.",
  "job.run-requested": "Somebody had a job of the clock run at once.",
};
