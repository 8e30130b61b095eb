//! What one may not see is answered as what is not there (L5).

use super::there::There;

#[test]
fn what_is_hidden_is_answered_as_what_is_not_there() {
    let mut there = There::new();
    there.world.declared.apps[1] = super::world::App::new("db", &["db"]).sync("automatic: false");
    there.world.declared.more += &super::there::document("Policy", "house", "{ limit: { deletes: 9 } }");
    there.world.repo.write("web/root/etc/motd", "one\n").write("db/root/etc/db", "one\n").land("first");
    there.world.start();
    there.world.until_live("/etc/motd", "one\n");
    let plan = there.held("db");
    let glass =
        there.world.cli(&["break-glass", "open", "db", "--policy", "house", "--reason", "x", "--for", "1h", "--json"]);
    let glass = glass.code(0).json()["id"].as_str().unwrap().to_owned();
    let records = there.records();
    let hidden = records.iter().find(|one| one["application"] == "db").unwrap()["seq"].as_u64().unwrap();
    let vera = there.token("vera", &["viewer"], &[]);
    let ann = there.token("ann", &["admin"], &[]);
    let flipped = |id: &str| id.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect::<String>();
    let body = r#"{"applications":["NAME"],"policies":["house"],"reason":"x","seconds":60}"#;
    for token in [&vera, &ann] {
        for (path, there_is, there_is_not) in [
            ("GET /v1/applications/NAME/plan", "db", "qq"),
            ("GET /v1/applications/NAME/policies", "db", "qq"),
            ("POST /v1/applications/NAME/sync", "db", "qq"),
            ("POST /v1/applications/NAME/suspend", "db", "qq"),
            ("POST /v1/applications/NAME/destroy", "db", "qq"),
            ("POST /v1/plans/NAME/approve", &plan, &flipped(&plan)),
            ("POST /v1/plans/NAME/reject", &plan[..8], &flipped(&plan)[..8]),
            ("GET /v1/plans/NAME/preimages", &plan, &flipped(&plan)),
            ("GET /v1/plans/NAME/preimages/0", &plan, &flipped(&plan)),
            ("POST /v1/break-glass/NAME/agree", &glass, &flipped(&glass)),
            ("POST /v1/break-glass/NAME/close", &glass, &flipped(&glass)),
            ("POST /v1/break-glass/NAME/edits", &glass, &flipped(&glass)),
            ("GET /v1/audit/records/NAME", &hidden.to_string(), "999999"),
            ("GET /v1/audit/records/NAME/proof", &hidden.to_string(), "999999"),
            ("POST /v1/notifications/NAME/test", "ops", "qq"),
            ("POST /v1/break-glass", "db", "qq"),
        ] {
            let of = |name: &str| {
                let body = match path {
                    "POST /v1/break-glass" => body.replace("NAME", name),
                    _ if path.ends_with("suspend") => r#"{"reason":"x"}"#.into(),
                    _ if path.starts_with("GET") => String::new(),
                    _ => "{}".into(),
                };
                let bearer = format!("Bearer {}", There::secret(token));
                let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
                let answer = there.ask(&path.replace("NAME", name), &headers, &body);
                let length = |line: &&str| !line.starts_with("content-length");
                let head = answer.head.lines().filter(length).collect::<Vec<_>>().join("\n");
                (answer.status, head, answer.text.replace(name, "NAME"))
            };
            let (one, other) = (of(there_is), of(there_is_not));
            assert_eq!(one, other, "{path}");
            assert_eq!(one.0, 404, "{path}: {}", one.2);
            assert!(!one.2.contains("db"), "{path}: {}", one.2);
        }
    }
    // Nor is it in what is listed.
    for path in
        ["/v1/status", "/v1/policies", "/v1/break-glass", "/v1/break-glass/requests", "/v1/audit/records", "/v1/tokens"]
    {
        let answer = there.get(&vera, path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains("\"db\"") && !answer.text.contains(&glass), "{path}: {}", answer.text);
    }
    assert!(there.get(&vera, "/v1/status").text.contains("\"web\""));
    assert_eq!(there.get(&vera, "/v1/audit/records?application=db").text, "[]");
    assert_eq!(there.get(&vera, "/v1/audit/records?application=qq").text, "[]");
    // Nothing was done by asking.
    assert_eq!(there.held("db"), plan);
}
