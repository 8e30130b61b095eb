//! A repository that nobody declared, one without a webhook, and a wrong signature: same cost, same answer.

use std::time::{Duration, Instant};

use super::sender::{Delivery, begin, hexadecimal, hmac, push, world};

#[test]
fn nobody_learns_which_repositories_are_declared() {
    let (mut world, to) = world();
    let url = world.server.url("other");
    world.declared.more = format!(
        "---\napiVersion: trueup.dev/v1alpha1\nkind: Repository\nmetadata: {{ name: other }}\nspec: {{ url: {url:?}, poll: 1h }}\n"
    );
    begin(&mut world);
    // Large, so that judging it shows; signed by somebody else.
    let body = [b" ".repeat(900_000), push()].concat();
    let theirs = hexadecimal(&hmac(b"somebody else's secret", &body));
    let stranger = |name: &str| {
        Delivery::plain(body.clone()).with("X-Gitea-Event", "push").with("X-Gitea-Signature", &theirs).to(name)
    };
    let names = ["platform", "other", "nobody", "no%20name"];
    let mut times = names.map(|_| vec![]);
    let mut answers = vec![];
    for _ in 0..15 {
        for (name, times) in names.iter().zip(&mut times) {
            let request = stranger(name);
            let began = Instant::now();
            answers.push(request.send(to));
            times.push(began.elapsed());
        }
    }
    assert!(answers.iter().all(|answer| answer.status == 403 && answer.text == answers[0].text), "{answers:?}");
    let medians = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    println!("{names:?}: {medians:?}");
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(*most < *least * 3 / 2 + Duration::from_millis(1), "{names:?}: {medians:?}");
    // The limit tells nothing either: whoever floods one name is told the same of each.
    for name in ["platform", "nobody"] {
        let small = Delivery::plain(b"{}".to_vec()).to(name);
        let answers: Vec<_> = (0..1000).map(|_| small.send(to)).collect();
        let listened = answers.iter().filter(|answer| answer.status == 403).count();
        let others = answers.iter().filter(|answer| answer.status == 429 && answer.said() == "hooks.too-many").count();
        assert!((250..600).contains(&listened) && listened + others == 1000, "{name}: {listened} {others}");
    }
}
