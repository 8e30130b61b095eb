//! What the log tells, by stable names. In the journal each has its own `MESSAGE_ID`, by which a line is found whatever its
//! words are: `journalctl MESSAGE_ID=…`. `docs/operations.md` has the same table. An id is never changed or used again.

/// One sort of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Stable; the field `event` of a log line.
    pub name: &'static str,
    /// 128 random bits, as systemd.journal-fields(7) wants them: 32 hexadecimal digits in lower case.
    pub id: &'static str,
    /// When it is told.
    pub tells: &'static str,
}

const fn event(name: &'static str, id: &'static str, tells: &'static str) -> Event {
    Event { name, id, tells }
}

pub const STARTED: Event = event("started", "6fe6757361b2484cb8ac416cac6c4e54", "the daemon has opened its store");
pub const READY: Event = event(
    "ready",
    "437727d0a5d242809f496ebf3d0eebc9",
    "it answers at its socket, and what a crash left half-way is cleaned up",
);
pub const STOPPING: Event =
    event("stopping", "f3199bdad3ef415ead023ccf7bb8dced", "it was asked to stop, and finishes the steps at hand");
pub const STOPPED: Event = event("stopped", "8ed3d0cdcb9f4fd6afa4b5cc4ff26e88", "every task has ended");
pub const CONFIGURATION_TAKEN: Event =
    event("configuration.taken", "d5950dd94437443ca647d0d9be50061c", "a changed configuration is in force");
pub const CONFIGURATION_REFUSED: Event = event(
    "configuration.refused",
    "febca6524ba04769a1dd63f3681871d8",
    "a changed configuration has mistakes; the one before stays in force",
);
pub const DECLARATIONS_TAKEN: Event = event(
    "declarations.taken",
    "0b98fc0871f89b6cdd5cba021dca25fc",
    "a sync of what is declared in Git changed what is in force",
);
pub const DECLARATIONS_LEFT_OUT: Event = event(
    "declarations.left-out",
    "7304331f0e19ef04cb7edf75617e244d",
    "a document of Git does not fit the machine's files any more, or what is declared in Git could not be taken",
);
pub const REPOSITORY_MOVED: Event =
    event("repository.moved", "c7eccf2637e348ad9ef316f5eeb80f52", "the followed ref is at another revision");
pub const REPOSITORY_FAILED: Event = event(
    "repository.failed",
    "73400d9232ff4990bb2aa0d7bbc27cca",
    "a repository cannot be followed; said again when the reason changes",
);
pub const WEBHOOK_REFUSED: Event = event(
    "webhook.refused",
    "94d909d73b9dddc3fd805165ee7af7e1",
    "deliveries of webhooks were refused; at most once in 10 seconds, with how many there were",
);
pub const FORGE_FAILED: Event = event(
    "forge.failed",
    "b3c25d69804549c1bd6dc5ed014b7d5b",
    "a Git host cannot be told, or asked; said again when the reason changes",
);
pub const FORGE_REFUSED: Event = event(
    "forge.refused",
    "fca2015df9904e36a2406a00a905fb6c",
    "a Git host would not have one thing that it was told; the others are told",
);
pub const API_REFUSED: Event = event(
    "api.refused",
    "b6dd35931ff54fdeb21a62819fb9d43d",
    "requests from elsewhere were refused, for want of a token or otherwise; at most once in 10 seconds, with how many there were",
);
pub const WATCH_LOST: Event =
    event("watch.lost", "1e9bc70d5f1e47b1bd6bfacba76d9e00", "live changes of a target are found by the interval alone");
pub const APPLICATION_STUCK: Event = event(
    "application.stuck",
    "e45d1c081b944eca8a284ba002fe9229",
    "a sync waits longer than anything it waits for may take; its turn was given back",
);
pub const WATCHDOG_STARVED: Event = event(
    "watchdog.starved",
    "7b00f64eb24242158d6e3de70174c045",
    "the watchdog was not fed, and systemd ends the daemon if that goes on",
);
pub const SYNC_PLANNED: Event = event(
    "sync.planned",
    "62db2bb88be9415c942d87dfcc7d5970",
    "there is a plan: what was found, and what is to be done about it",
);
pub const SYNC_RESUMED: Event = event(
    "sync.resumed",
    "79da2ee1123240d0b4e66a2251f92a25",
    "an execution that a stop or crash left open was taken up",
);
pub const STEP_DONE: Event = event("step.done", "14310a04d4224a4fb33e026535c6d287", "one step is done");
pub const STEP_FAILED: Event = event("step.failed", "21daeeacd5ea47eca3b06e2783f238c5", "one step failed");
pub const SYNC_UNCHANGED: Event =
    event("sync.unchanged", "75505cb6e7894c4ebb6779ed94185fa8", "all is as Git says again");
pub const SYNC_APPLIED: Event =
    event("sync.applied", "7b6cb9dce84e466e89bf9aa157864579", "every step is done and healthy");
pub const SYNC_DEGRADED: Event = event(
    "sync.degraded",
    "6d7a106c57904c44a622e03d80df7925",
    "done as far as could be known, or drift is only reported",
);
pub const SYNC_HELD: Event =
    event("sync.held", "642ac76f968d477782f5b0f27f042706", "a plan, or a part of it, waits for a person");
pub const SYNC_REFUSED: Event = event(
    "sync.refused",
    "be13fb6be9b34cd1a7e0917aab1397e9",
    "nothing was planned: Git, the render or the configuration does not allow it",
);
pub const SYNC_FAILED: Event =
    event("sync.failed", "06b361095f5d45a09ca430edc143e26d", "a step failed, or the store or the target did");
pub const SYNC_ROLLED_BACK: Event =
    event("sync.rolled-back", "1a22d2d03b3d4200875ad65f066f7a25", "it failed, and the last good state is back");
pub const SYNC_STALE: Event =
    event("sync.stale", "f30747e363964d928c53c46f0c52a281", "the target moved under the plan; it is planned anew");
pub const SYNC_STOPPED: Event =
    event("sync.stopped", "28e18232c15b419593f403ae01542b54", "stopped between two steps; resumed at the next start");
pub const SYNC_SUSPENDED: Event =
    event("sync.suspended", "aa2c0bf631af4f1180eeaf03739d8c94", "left alone, because a person said so");
pub const DRIFT_OBSERVED: Event = event(
    "drift.observed",
    "1fbcc86b75bc4d7fb96da9f7f359b789",
    "others changed the target: what, and as far as it is known who and when",
);
pub const REVERT: Event = event(
    "revert",
    "c1369ae22719354376d79851c2e9738d",
    "a commit of the daemon's that takes a failed change out of Git: made, pushed, proposed, delayed, refused or dropped",
);
pub const ACT_SYNC: Event = event("act.sync", "ad7411487a45444a8b9ed06dbaeda91e", "a person asked for a sync");
pub const ACT_APPROVE: Event = event("act.approve", "82fa72c007364fd590e7c8e14d882375", "a person approved a plan");
pub const ACT_ADOPT: Event =
    event("act.adopt", "66ae1e2400e34ae1980fd32f8e7ea759", "a person took over what was found at first contact");
pub const ACT_SUSPEND: Event =
    event("act.suspend", "2b03c422ee604ff3baa136144658da36", "a person told trueup to leave an application alone");
pub const ACT_RESUME: Event =
    event("act.resume", "3ec45cb22264436ba42dbe3689a8a245", "a person told trueup to take care of it again");
pub const ACT_OTHER: Event =
    event("act.other", "99cebbf37ef8428e81038bceaa7df3b9", "a person did something else that the trail names");
pub const BREAK_GLASS_OPENED: Event = event(
    "break-glass.opened",
    "e937325a1aaa4fb2e8f64aa57ae14cba",
    "somebody may override policies, or edit by hand, until a time",
);
pub const BREAK_GLASS_AGREED: Event =
    event("break-glass.agreed", "9aab4e4320484e389419563b0c54d4c2", "a further person agreed to a break-glass");
pub const BREAK_GLASS_USED: Event =
    event("break-glass.used", "f1a9ef2d05279710dd9e69b005c0650d", "a plan went that a policy would have held");
pub const BREAK_GLASS_REMINDED: Event =
    event("break-glass.reminded", "54831cca2ea11fe52cc9331c14a53493", "a break-glass is about to end");
pub const BREAK_GLASS_CLOSED: Event =
    event("break-glass.closed", "62efacdea4cee9e6b9e96488b4df996d", "a person ended a break-glass");
pub const BREAK_GLASS_EXPIRED: Event =
    event("break-glass.expired", "ea9c01add583d5f6a00eb3fcb6865038", "a break-glass ended by itself");
pub const ACT_REJECT: Event = event("act.reject", "bd0dbfaaff676cea9862be29b3956b0c", "a person said no to a plan");
pub const ACT_DESTROY: Event = event(
    "act.destroy",
    "97a1304f1bf8b10c8ba1b3398d6f9ca5",
    "a person asked to take away what was made for an application that is declared no more",
);
pub const NOTIFICATION_FAILED: Event = event(
    "notification.failed",
    "d23a28ac26c44045ba1177f5120e8079",
    "a notification cannot be delivered; said again when the reason changes",
);
pub const NOTIFICATION_DROPPED: Event = event(
    "notification.dropped",
    "3a9e363f7c9f48a896e9d5cabed6ef50",
    "a notification was given up, because its sink would not have it",
);
pub const TRAIL_KEY: Event = event(
    "trail.key",
    "7c80adceabcf945a7ecf829e5efa99b1",
    "a key signs for the trail from here on: the first one, or one that replaces it",
);
pub const TRAIL_CHECKPOINT: Event = event(
    "trail.checkpoint",
    "afe3c4f606f35ef100a816f6ec7d240b",
    "a checkpoint was made: the whole note is in the field `note`",
);
pub const TRAIL_PUBLISHED: Event = event(
    "trail.published",
    "a562afd5ef9733e741c9a6060234489d",
    "checkpoints are published again at a place where that had failed",
);
pub const TRAIL_UNPUBLISHED: Event = event(
    "trail.unpublished",
    "5b79e88110075378504ee75bae1c07bf",
    "a checkpoint cannot be published at a place; said again when the reason changes",
);
pub const TRAIL_ARCHIVED: Event = event(
    "trail.archived",
    "2da37d1ff289d0e4d95aab219a4cd942",
    "records were moved into the archive; their hashes stay",
);
pub const TRAIL_ERASED: Event =
    event("trail.erased", "a06bea5347f8b8dc969787f9f8503c26", "a person erased the payload of a record");

/// All of them.
pub const ALL: [Event; 55] = [
    STARTED,
    READY,
    STOPPING,
    STOPPED,
    CONFIGURATION_TAKEN,
    CONFIGURATION_REFUSED,
    DECLARATIONS_TAKEN,
    DECLARATIONS_LEFT_OUT,
    REPOSITORY_MOVED,
    REPOSITORY_FAILED,
    WEBHOOK_REFUSED,
    FORGE_FAILED,
    FORGE_REFUSED,
    API_REFUSED,
    WATCH_LOST,
    APPLICATION_STUCK,
    WATCHDOG_STARVED,
    SYNC_PLANNED,
    SYNC_RESUMED,
    STEP_DONE,
    STEP_FAILED,
    SYNC_UNCHANGED,
    SYNC_APPLIED,
    SYNC_DEGRADED,
    SYNC_HELD,
    SYNC_REFUSED,
    SYNC_FAILED,
    SYNC_ROLLED_BACK,
    SYNC_STALE,
    SYNC_STOPPED,
    SYNC_SUSPENDED,
    DRIFT_OBSERVED,
    REVERT,
    ACT_SYNC,
    ACT_APPROVE,
    ACT_ADOPT,
    ACT_SUSPEND,
    ACT_RESUME,
    ACT_OTHER,
    BREAK_GLASS_OPENED,
    BREAK_GLASS_AGREED,
    BREAK_GLASS_USED,
    BREAK_GLASS_REMINDED,
    BREAK_GLASS_CLOSED,
    BREAK_GLASS_EXPIRED,
    ACT_REJECT,
    NOTIFICATION_FAILED,
    NOTIFICATION_DROPPED,
    ACT_DESTROY,
    TRAIL_KEY,
    TRAIL_CHECKPOINT,
    TRAIL_PUBLISHED,
    TRAIL_UNPUBLISHED,
    TRAIL_ARCHIVED,
    TRAIL_ERASED,
];

/// Returns the `MESSAGE_ID` of an event, by its name.
#[must_use]
pub fn message_id(name: &str) -> Option<&'static str> {
    ALL.iter().find(|event| event.name == name).map(|event| event.id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_ids_are_well_formed_unique_and_documented() {
        let guide = include_str!("../../docs/operations.md");
        for event in ALL {
            let digits = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(event.id.len() == 32 && event.id.chars().all(digits), "{event:?}");
            assert_eq!(message_id(event.name), Some(event.id));
            let row = format!("| `{}` | `{}` | {} |", event.name, event.id, event.tells);
            assert!(guide.contains(&row), "docs/operations.md lacks {row}");
        }
        assert_eq!(ALL.iter().map(|event| event.id).collect::<BTreeSet<_>>().len(), ALL.len());
    }
}
