//! What every adapter keeps, over the list of adapters: a new one is one line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // Tests say what went wrong by failing.

#[path = "contract/bed.rs"]
mod bed;
#[path = "clock/mod.rs"]
mod clock;
#[path = "contract/host.rs"]
mod host;
#[path = "contract/hostile.rs"]
mod hostile;
#[path = "contract/rootside.rs"]
mod rootside;
#[path = "contract/steady.rs"]
mod steady;

use bed::{Adapter, acts, apply, number, plan, step_specs};
use trueup::model::{After, Live};
use trueup::target::TargetError;

fn adapters() -> Vec<Box<dyn Adapter>> {
    vec![Box::new(host::Host::new()), Box::new(rootside::RootSide::new())]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_changes_nothing() {
    for adapter in adapters() {
        adapter.meddle();
        let before = adapter.snapshot();
        for _ in 0..3 {
            let previews = bed::preview(&*adapter, &adapter.desired(), &bed::owned()).await;
            assert!(previews.items.iter().any(|item| matches!(item.after, After::Is(_))), "there was something to do");
        }
        assert_eq!(before, adapter.snapshot(), "{}", adapter.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_after_apply_is_empty() {
    for adapter in adapters() {
        let owned = bed::sync(&*adapter, &adapter.desired(), &bed::owned()).await;
        let previews = bed::preview(&*adapter, &adapter.desired(), &owned).await;
        assert_eq!(acts(&previews), Vec::<String>::new(), "{}", adapter.name());
        let owned = bed::sync(&*adapter, &adapter.changed(), &owned).await;
        let previews = bed::preview(&*adapter, &adapter.changed(), &owned).await;
        assert_eq!(acts(&previews), Vec::<String>::new(), "{} after an update", adapter.name());
        let nothing = bed::nothing();
        let owned = bed::sync(&*adapter, &nothing, &owned).await;
        assert_eq!(owned.objects.len(), 0);
        assert_eq!(adapter.snapshot(), adapter.bare(), "{} after everything was deleted", adapter.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_applied_twice_is_once() {
    for adapter in adapters() {
        let desired = adapter.desired();
        let previews = bed::preview(&*adapter, &desired, &bed::owned()).await;
        let (plan, specs) = plan(&previews, &desired);
        for number in number(&plan) {
            let first = apply(&*adapter, &plan, &specs, &desired, number).await.unwrap();
            let there = adapter.snapshot();
            let second = apply(&*adapter, &plan, &specs, &desired, number).await.unwrap();
            assert!(!first.already && second.already, "{}: {}", adapter.name(), plan.steps[number].id);
            assert_eq!(first.left, second.left);
            assert_eq!(there, adapter.snapshot());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_before_no_longer_holds_is_refused_and_changes_nothing() {
    for adapter in adapters() {
        let desired = adapter.desired();
        let owned = bed::sync(&*adapter, &desired, &bed::owned()).await;
        let changed = adapter.changed();
        for (coming, name) in [(&changed, "update"), (&bed::nothing(), "delete")] {
            let previews = bed::preview(&*adapter, coming, &owned).await;
            let (plan, specs) = plan(&previews, coming);
            let number = number(&plan).find(|number| plan.steps[*number].id == adapter.meddled()).unwrap();
            adapter.meddle();
            let before = adapter.snapshot();
            let refused = apply(&*adapter, &plan, &specs, coming, number).await.unwrap_err();
            assert!(matches!(refused, TargetError::Stale { .. }), "{} {name}: {refused:?}", adapter.name());
            assert_eq!(before, adapter.snapshot(), "{} {name}", adapter.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_is_never_reported_as_absent() {
    for adapter in adapters() {
        let desired = adapter.desired();
        let owned = bed::sync(&*adapter, &desired, &bed::owned()).await;
        for (id, why) in adapter.spoil() {
            for coming in [&desired, &bed::nothing()] {
                let previews = bed::preview(&*adapter, coming, &owned).await;
                let item = previews.items.iter().find(|item| item.id == id).unwrap();
                assert!(matches!(item.live, Live::Unknown(_)), "{}, {why}: {:?}", adapter.name(), item.live);
                assert_eq!(step_specs(item, coming), None, "{why}: nothing is planned for it");
            }
        }
    }
}

macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                hostile::$case().await;
            }
        )*
    };
}

cases!(
    paths_that_lead_out,
    a_parent_that_keeps_being_swapped,
    things_that_are_no_files,
    hard_links,
    what_the_kernel_refuses,
    setuid_and_owners,
    edits_meanwhile,
    moved_but_equal,
    full_disk,
    folders_with_strangers,
    sorts_that_change,
);
