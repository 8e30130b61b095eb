//! A service that people run, made by hand and then taken over: nginx with two sites, a drop-in, and a timer.

use crate::installed::{Granted, Installed, SOON, document, file};
use crate::world::eventually;

const GRANTED: Granted = Granted {
    allow: &["/etc/nginx/sites-available", "/etc/nginx/sites-enabled", "/etc/systemd/system"],
    commands: &["/usr/sbin/nginx"],
    units: &["nginx.service", "purge-cache.*"],
};

const SHOP: &str = "/etc/nginx/sites-available/shop";
const BLOG: &str = "/etc/nginx/sites-available/blog";
const LIMITS: &str = "/etc/systemd/system/nginx.service.d/limits.conf";
const TIMER: &str = "/etc/systemd/system/purge-cache.timer";
const JOB: &str = "/etc/systemd/system/purge-cache.service";

/// What the files hold; one of them is changed by each chapter.
#[derive(Clone)]
struct Wanted {
    shop: String,
    blog: String,
    files: u32,
    hour: u32,
}

impl Wanted {
    /// Returns each file with what calls for when it changes.
    fn files(&self) -> [(&'static str, String, &'static str); 5] {
        let (reload, restart) = (", onChange: [{ reload: nginx.service }]", ", onChange: [{ restart: nginx.service }]");
        let again = ", onChange: [{ restart: purge-cache.timer }]";
        let site = |port: u32, says: &str| {
            format!("server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"{says}\"; }} }}\n")
        };
        let timer = format!("[Timer]\nOnCalendar=*-*-* {:02}:00:00\n[Install]\nWantedBy=timers.target\n", self.hour);
        [
            (SHOP, site(8081, &self.shop), reload),
            (BLOG, site(8082, &self.blog), reload),
            (LIMITS, format!("[Service]\nLimitNOFILE={}\n", self.files), restart),
            (JOB, "[Service]\nType=oneshot\nExecStart=/bin/rm -rf /var/cache/nginx\n".into(), ""),
            (TIMER, timer, again),
        ]
    }

    /// Writes the documents into the repository and pushes them.
    fn land(&self, host: &Installed, message: &str) -> String {
        let mut text: String = self.files().iter().map(|(path, content, more)| file(path, content, more)).collect();
        for name in ["shop", "blog"] {
            text += &document(
                "Symlink",
                &format!("/etc/nginx/sites-enabled/{name}"),
                &format!("to: ../sites-available/{name}, onChange: [{{ reload: nginx.service }}]"),
            );
        }
        text += &document("Check", "nginx", "command: [nginx, -t]");
        text += &document(
            "Unit",
            "nginx.service",
            "enabled: true, state: running, settle: 1s, probe: { http: \"http://127.0.0.1:8081/\" }",
        );
        text += &document("Unit", "purge-cache.timer", "enabled: true, state: running, settle: 1s");
        host.repo.write("app/nginx.yaml", text).land(message)
    }
}

#[test]
fn nginx_made_by_hand_is_adopted_changed_broken_and_brought_back() {
    let Some(host) = Installed::new() else { return };
    let machine = &host.machine;
    let says = |port: u32| machine.run(&["curl", "-sS", &format!("http://127.0.0.1:{port}/")]).stdout;
    let shows = |unit: &str, name: &str| machine.property(unit, name);

    // By hand, long ago, and not quite what Git will say.
    let by_hand = Wanted { shop: "shop by hand".into(), blog: "blog".into(), files: 1000, hour: 3 };
    for (path, content, _) in by_hand.files() {
        machine.write(path, content);
    }
    machine.sh("ln -s ../sites-available/shop ../sites-available/blog /etc/nginx/sites-enabled/");
    machine.sh("systemctl daemon-reload; systemctl start nginx; systemctl enable --now purge-cache.timer 2>&1");
    assert_eq!((says(8081).as_str(), says(8082).as_str()), ("shop by hand", "blog"));

    // First contact is held, and touches nothing.
    let first = Wanted { shop: "shop".into(), files: 2000, ..by_hand };
    let revision = first.land(&host, "what nginx shall be");
    host.declare(GRANTED, "1s", "");
    let by_hand = (shows("nginx.service", "InvocationID"), machine.read(SHOP), machine.read(LIMITS));
    machine.ok(&["systemctl", "enable", "--now", "trueup"]);
    host.until("first contact is held", |app| app["outcome"] == "held" && app["code"] == "guard.adoption");
    let now = || (shows("nginx.service", "InvocationID"), machine.read(SHOP), machine.read(LIMITS));
    assert_eq!(now(), by_hand);
    let plan = host.trueup(&["plan", "app"]);
    assert!(
        plan.stdout.contains("-server { listen 127.0.0.1:8081; location / { return 200 \"shop by hand\"; } }"),
        "{plan:?}"
    );

    // Adopted: it becomes what Git says.
    let adopted = host.trueup(&["adopt", "app"]);
    assert_eq!(adopted.code, 0, "{}{}\n{}", adopted.stdout, adopted.stderr, host.story());
    host.applied(&revision);
    eventually("the shop is Git's", SOON, || says(8081) == "shop");
    assert_eq!((says(8082).as_str(), shows("nginx.service", "LimitNOFILE").as_str()), ("blog", "2000"));
    assert_eq!(shows("nginx.service", "UnitFileState"), "enabled", "by hand it was only started");

    // Changed: a site needs a reload and no more, the timer has a new hour.
    let started = shows("nginx.service", "InvocationID");
    let changed = Wanted { blog: "blog 2".into(), hour: 4, ..first };
    let second = changed.land(&host, "a new blog, and an hour later");
    host.applied(&second);
    eventually("the blog is new", SOON, || says(8082) == "blog 2");
    assert_eq!(shows("nginx.service", "InvocationID"), started, "it was reloaded, not restarted");
    assert!(shows("purge-cache.timer", "TimersCalendar").contains("04:00:00"));

    // Broken: nginx -t refuses, and nothing of it stays.
    let now = || (shows("nginx.service", "InvocationID"), machine.read(BLOG), machine.read(TIMER));
    let before = now();
    let broken = Wanted { blog: "blog\"; nonsense".into(), hour: 5, ..changed };
    let bad = broken.land(&host, "broken");
    host.until("it is taken back", |app| app["bad"] == *bad && app["syncing"] == false);
    assert!(host.app()["message"].as_str().unwrap().contains("nginx"), "{:#}", host.app());
    assert_eq!(now(), before);
    assert_eq!((says(8081).as_str(), says(8082).as_str()), ("shop", "blog 2"));
    assert!(
        shows("purge-cache.timer", "TimersCalendar").contains("04:00:00"),
        "a failed check stops what comes after it"
    );

    // Reverted in Git: all is well again. And back by one more.
    let mended = host.repo.revert(&bad);
    host.until("the revert is taken", |app| app["bad"].is_null() && app["applied"] == *mended);
    let back = host.repo.revert(&second);
    host.applied(&back);
    eventually("the blog is the old one", SOON, || says(8082) == "blog");
    assert!(shows("purge-cache.timer", "TimersCalendar").contains("03:00:00"));
    machine.ok(&["trueup", "audit", "verify"]);
}
