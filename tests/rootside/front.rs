//! A front half that says whatever it likes.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use trueup::model::Digest;

pub(crate) struct Front {
    write: UnixStream,
    read: BufReader<UnixStream>,
    next: u64,
}

pub(crate) fn sync(number: u32) -> String {
    format!("{number:032x}")
}

fn calling(sync: &str, fence: u64) -> Value {
    let actor = json!({ "kind": "daemon", "subject": "trueup", "display": "hostile" });
    json!({ "deadline": 20_000, "fence": fence, "sync": sync, "actor": actor })
}

impl Front {
    /// Connects and says hello, asking for everything.
    pub(crate) fn connect(socket: &Path, configuration: &Value) -> Self {
        let mut front = Self::silent(socket);
        front.say(&json!({
            "type": "hello", "protocol": { "min": 1, "max": 9 }, "client": "test", "configuration": configuration,
        }));
        assert_eq!(front.hear().unwrap()["type"], "welcome");
        front
    }

    pub(crate) fn silent(socket: &Path) -> Self {
        let write = UnixStream::connect(socket).unwrap();
        write.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        let read = BufReader::new(write.try_clone().unwrap());
        Self { write, read, next: 1 }
    }

    pub(crate) fn say(&mut self, message: &Value) {
        self.raw(format!("{message}\n").as_bytes()).unwrap();
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write.write_all(bytes)
    }

    /// Returns the next line; `None` at the end of the connection.
    pub(crate) fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.read.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Asks, and returns everything that is said until the request ends; contents that are needed are given from `contents`.
    pub(crate) fn ask(&mut self, mut first: Value, items: &[Value], contents: &[&[u8]]) -> Vec<Value> {
        let id = self.next;
        self.next += 1;
        first["id"] = id.into();
        self.say(&first);
        for item in items {
            let mut item = item.clone();
            item["id"] = id.into();
            self.say(&item);
        }
        self.say(&json!({ "type": "end", "id": id, "items": items.len() }));
        let mut said = vec![];
        loop {
            let message = self.hear().expect("an answer");
            assert_eq!(message["id"], id, "{message}");
            if message["type"] == "need" {
                let content = contents.iter().find(|content| Digest::of(content).to_string() == message["digest"]);
                let content = content.expect("a content that a step names");
                self.say(&chunk(id, content));
                continue;
            }
            let ends = matches!(message["type"].as_str(), Some("end" | "error"));
            said.push(message);
            if ends {
                return said;
            }
        }
    }

    pub(crate) fn preview(&mut self, objects: &[Value]) -> Vec<Value> {
        self.ask(json!({ "type": "preview", "call": calling(&sync(0), 1), "live": true }), objects, &[])
    }

    /// Has one step carried out, and returns its outcome, or the error of the request.
    pub(crate) fn apply(&mut self, sync: &str, step: &Value, contents: &[&[u8]]) -> Value {
        self.apply_as(sync, 1, step, contents)
    }

    pub(crate) fn apply_as(&mut self, sync: &str, fence: u64, step: &Value, contents: &[&[u8]]) -> Value {
        let mut step = step.clone();
        step["type"] = "step".into();
        step["key"] = format!("{sync}/{}", step["number"]).into();
        let plan = Digest::of(b"plan").to_string();
        let said = self.ask(json!({ "type": "apply", "call": calling(sync, fence), "plan": plan }), &[step], contents);
        said.into_iter().next().unwrap()
    }
}

pub(crate) fn chunk(id: u64, content: &[u8]) -> Value {
    use base64::Engine;
    let data = base64::engine::general_purpose::STANDARD.encode(content);
    let digest = Digest::of(content).to_string();
    json!({ "type": "chunk", "id": id, "digest": digest, "offset": 0, "size": content.len(), "data": data })
}

/// Returns the object of a file that should be.
pub(crate) fn file(path: &str, content: &[u8]) -> Value {
    let digest = Digest::of(content).to_string();
    let body = json!({ "sort": "file", "content": digest, "size": content.len(), "default_mode": 0o644 });
    object(path, &body, &[digest])
}

pub(crate) fn object(path: &str, body: &Value, contents: &[String]) -> Value {
    let place = json!({ "file": "a.yaml", "line": 1, "column": 1 });
    let spec = json!({ "body": body, "contents": contents, "place": place });
    json!({ "type": "object", "object": { "kind": "path", "name": path }, "spec": spec })
}

/// Returns the step that a preview of `object` asks for.
pub(crate) fn step(object: &Value, previewed: &Value, action: &str) -> Value {
    let absent = Value::from("0".repeat(64));
    let state = |side: &Value| side["state"]["digest"].clone();
    let before = if previewed["live"]["is"] == "known" { state(&previewed["live"]) } else { absent.clone() };
    let after = match previewed["after"]["is"].as_str() {
        Some("state") => state(&previewed["after"]),
        Some("run") => previewed["after"]["digest"].clone(),
        _ => absent,
    };
    let mut step = json!({
        "number": 0, "object": object["object"], "action": action, "cause": "intentional",
        "before": before, "after": after, "risk": "low", "wave": 0,
    });
    if !object["spec"].is_null() {
        step["spec"] = object["spec"].clone();
    }
    step
}

/// The code, or the kind, of a failure.
pub(crate) fn failure(said: &Value) -> String {
    let error = &said["error"];
    let code = error.get("code").unwrap_or(&error["kind"]);
    code.as_str().unwrap_or_default().to_owned()
}

impl Front {
    pub(crate) fn clone_writer(&self) -> UnixStream {
        self.write.try_clone().unwrap()
    }
}
