//! Against `sops` itself: what comes out here is what it prints.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use age::secrecy::{ExposeSecret as _, SecretString};
use age::x25519::Identity;

use super::open::Opened;
use super::store::Unreadable;
use super::{Fault, Identities, Keyring, sealed};

/// One identity, or none.
struct Keys(Option<SecretString>);

impl Keyring for Keys {
    fn identities(&self) -> Result<Identities, Fault> {
        Identities::read(self.0.as_slice())
    }
}

/// `sops`, a key, and a folder to work in.
struct Bench {
    sops: PathBuf,
    folder: tempfile::TempDir,
    identity: Identity,
}

impl Bench {
    /// `None`, with a line that says so, where `tests/setup` has not built it.
    fn new() -> Option<Self> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
        let sops = cache.unwrap_or_default().join("trueup-tests/bin/sops");
        if !sops.is_file() {
            assert!(std::env::var_os("TRUEUP_REQUIRE_PARTS").is_none(), "sops is missing");
            let _ = writeln!(std::io::stderr(), "SKIP: sops is missing; tests/setup builds it");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::generate();
        std::fs::write(folder.path().join("key"), identity.to_string().expose_secret()).unwrap();
        Some(Self { sops, folder, identity })
    }

    fn run(&self, args: &[&str], file: &Path) -> Vec<u8> {
        let done = Command::new(&self.sops)
            .args(args)
            .arg(file)
            .env_clear()
            .env("SOPS_AGE_KEY_FILE", self.folder.path().join("key"))
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(done.status.success(), "sops {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    fn encrypt(&self, name: &str, plain: &[u8], args: &[&str]) -> Vec<u8> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, plain).unwrap();
        let recipient = self.identity.to_public().to_string();
        self.run(&[&["encrypt", "--age", &recipient], args].concat(), &file)
    }

    fn decrypt(&self, name: &str, sealed: &[u8]) -> Vec<u8> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, sealed).unwrap();
        self.run(&["decrypt"], &file)
    }

    fn keys(&self) -> Keys {
        Keys(Some(self.identity.to_string()))
    }

    /// Encrypts, opens, and compares with what `sops` prints.
    fn agrees(&self, name: &str, plain: &[u8], args: &[&str]) -> Opened {
        let encrypted = self.encrypt(name, plain, args);
        let wanted = self.decrypt(name, &encrypted);
        let opened = open(name, &encrypted, &self.keys());
        let opened =
            opened.unwrap_or_else(|fault| panic!("{name}: {fault:?}\n{}", String::from_utf8_lossy(&encrypted)));
        let (wanted, found) = (String::from_utf8_lossy(&wanted), String::from_utf8_lossy(&opened.content));
        for (found, wanted) in found.lines().zip(wanted.lines()) {
            assert_eq!(found, wanted, "{name} {args:?}");
        }
        assert_eq!(found, wanted, "{name} {args:?}");
        opened
    }
}

fn open(name: &str, bytes: &[u8], keys: &Keys) -> Result<Opened, Fault> {
    match sealed(name, bytes) {
        Ok(Some(sealed)) => sealed.open(keys),
        Ok(None) => panic!("{name} is not taken for an encrypted file"),
        Err(Unreadable::Fault(fault)) => Err(fault),
        Err(Unreadable::Yaml(mistakes)) => panic!("{mistakes:?}"),
    }
}

fn refused(name: &str, bytes: &[u8], keys: &Keys) -> Fault {
    open(name, bytes, keys).err().unwrap_or_else(|| panic!("{name} opened"))
}

const YAML: &str = r#"# top
a: hello # inline
# before b
b: 12
c: 1.5
d: true
e: |
  line1
  line2

  # not a comment
  line3
f:
  - x # in a list
  # in the list too
  - y
  - k: v # first of a mapping
    z: "yes" # second
    m: |-
      one
      two
  - |
    a
    b
  - - 1
    - 2 # deep
  # foot of the list
g:
  # first in g
  h: "0777"
  i: ' lead'
  j: "tab\there"
  k: "emoji 😀 ü"
  l: "it's: x"
  m: null
  n: {}
  o: []
  p: 2001-12-14
  q_unencrypted: 42
  r_unencrypted: 1000000.0
  s_unencrypted: {a: [b, 1.25, false]}
  t: "trail \nx"
  u: "a\n\n"
  v: ""
  w: 1e30
  x: 0.00001
  y: "\r\0\e"
# last
"#;

#[test]
fn yaml_opens_to_what_sops_prints() {
    let Some(bench) = Bench::new() else { return };
    let opened = bench.agrees("a.yaml", YAML.as_bytes(), &[]);
    // Shorter ones are found everywhere.
    assert!(opened.values.iter().all(|value| value.len() >= 8) && opened.values.contains(&b"trail \nx"[..]));
    bench.agrees("a.yaml", YAML.as_bytes(), &["--encrypted-regex", "^(a|g)$"]);
    bench.agrees("a.yaml", YAML.as_bytes(), &["--unencrypted-regex", "^[fg]"]);
    bench.agrees("a.yaml", YAML.as_bytes(), &["--encrypted-suffix", "e"]);
    for rules in ["mac_only_encrypted: true, encrypted_regex: ^f$", "unencrypted_comment_regex: before"] {
        let rules = format!("creation_rules: [{{ {rules} }}]\nstores: {{ yaml: {{ indent: 2 }} }}");
        std::fs::write(bench.folder.path().join(".sops.yaml"), rules).unwrap();
        bench.agrees("a.yaml", YAML.as_bytes(), &[]);
        std::fs::remove_file(bench.folder.path().join(".sops.yaml")).unwrap();
    }
    bench.agrees("b.yaml", b"---\na: 1\n---\nb: \"x\\n\"\nc: \"q\\n\\n\"\n---\n# c\nd: \n- # only\n", &[]);
    bench.agrees("c.yaml", b"{}\n", &[]);
}

/// What a careless writer of YAML gets wrong.
const TEXTS: &[&str] = &[
    "y",
    "Yes",
    "~",
    "null",
    "1_000",
    "0x1F",
    "0b11",
    "0o17",
    "017",
    "08",
    "1e3",
    ".5",
    ".5e",
    "+.5",
    "-",
    "--",
    "- a",
    "-a",
    "?",
    "? a",
    ":",
    ":a",
    "a:",
    "a: b",
    "a:b",
    "a #b",
    "a#b",
    "#a",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "'",
    "\"",
    "%",
    "@",
    "`",
    "[a",
    "a]",
    "{",
    "}",
    ",",
    "---",
    "--- a",
    "...",
    "2001-12-14",
    "2001-1-2",
    "2001-13-01",
    "2001-12-14T10:00:00Z",
    "2001-12-14 1:2:3.5",
    "2001-12-14t10:00:00+01:00",
    "12:30",
    "1:2:3.5",
    "+1:20",
    "=",
    ".inf",
    "-.INF",
    ".nan",
    "nan",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    " a",
    "a ",
    "a\n",
    "\na",
    "a\n b",
    "a \nb",
    "a\n\n\nb\n\n",
    "\u{a0}",
    "\u{85}",
    "\u{feff}a",
    "\u{7f}",
    "a\tb",
    "a\r\nb",
    "é",
    "\u{e000}",
    "<b>&",
    "\\",
    "a\"b",
    "0",
    "-0",
    "+1",
    "1.",
    "1.e3",
    "1__0",
    "_1",
    "0_",
    "0x",
    "0b2",
    "-0x1",
    "-0b1",
    "true",
    "TRUE",
    "off",
    "N",
    "no way",
    "a, b",
    "a - b",
    "\n",
    "\n\n",
];

#[test]
fn every_text_is_written_as_sops_writes_it() {
    let Some(bench) = Bench::new() else { return };
    let fields: serde_json::Map<_, _> =
        TEXTS.iter().enumerate().map(|(n, text)| (format!("k{n}"), (*text).into())).collect();
    let json = serde_json::to_vec(&serde_json::Value::Object(fields)).unwrap();
    bench.agrees("a.json", &json, &[]);
    // JSON is YAML, and what comes out is YAML. Its reader wants some characters escaped.
    let escaped = |char: char| {
        if char.is_ascii() && char != '\u{7f}' { char.to_string() } else { format!("\\u{:04x}", u32::from(char)) }
    };
    let json: String = String::from_utf8(json).unwrap().chars().map(escaped).collect();
    bench.agrees("a.yaml", json.as_bytes(), &[]);
    // What SOPS writes here, readers of YAML do not agree on: better nothing than something else.
    for text in ["a: !!str 1e400\n", "a: !!str tRue\n"] {
        let sealed = bench.encrypt("a.yaml", text.as_bytes(), &[]);
        assert_eq!(refused("a.yaml", &sealed, &bench.keys()).code, "render.sops", "{text}");
    }
}

#[test]
fn the_other_formats_open_to_what_sops_prints() {
    let Some(bench) = Bench::new() else { return };
    let json = br#"{"a":{"b":[1,2.50,1e30,1e-9,"x<y\u00e9",[],{}],"n":null,"e":"","t":true},"big":12345678901234567890,"c_unencrypted":1.0}"#;
    bench.agrees("a.json", json, &[]);
    bench.agrees("a.json", json, &["--encrypted-regex", "^a$"]);
    bench.agrees("a.env", b"# head\nA=1\nB=two words\n\n# mid\nC=x\\ny\nD=\nE=a=b\n", &[]);
    let ini = b"; first\n[main]\n; about a\na = 1\nlonger = x ; y\nquoted = \"  sp \"\n[other]\nb=two#2\nm = \"\"\"l1\nl2\"\"\"\n";
    bench.agrees("a.ini", ini, &[]);
    bench.agrees("a.ini", ini, &["--encrypted-regex", "^main$"]);
    bench.agrees("a.ini", b"top = 1\n[s]\nx = y\n", &[]);
    let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
    for name in ["a.bin", "a.conf", "a"] {
        assert_eq!(bench.agrees(name, &bytes, &[]).content, bytes);
    }
    bench.agrees("text.conf", b"password = hunter2hunter2\n", &[]);
}

#[test]
fn what_was_changed_or_moved_is_refused() {
    let Some(bench) = Bench::new() else { return };
    let plain = b"first: secret-number-one\nsecond: secret-number-two\nopen_unencrypted: seen\n";
    let text = String::from_utf8(bench.encrypt("a.yaml", plain, &[])).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let value = |line: &str| line.split_once(": ").unwrap().1.to_owned();
    let swapped = text.replacen(&value(lines[0]), "\0", 1).replacen(&value(lines[1]), &value(lines[0]), 1).replacen(
        '\0',
        &value(lines[1]),
        1,
    );
    let cases = [
        ("swapped", swapped),
        ("clear", text.replacen(&value(lines[0]), "in the clear", 1)),
        ("emptied", text.replacen(&value(lines[0]), "\"\"", 1)),
        ("unencrypted changed", text.replacen("seen", "sewn", 1)),
        ("one removed", text.replacen(&format!("{}\n", lines[1]), "", 1)),
        ("flipped", text.replacen("data:", "data:AAAA", 1)),
        ("mac gone", text.split_inclusive('\n').filter(|line| !line.contains("mac:")).collect()),
        ("time changed", text.replacen("lastmodified: \"2", "lastmodified: \"3", 1)),
    ];
    for (what, changed) in cases {
        assert_ne!(changed, text, "{what}");
        let fault = refused("a.yaml", changed.as_bytes(), &bench.keys());
        assert_eq!(fault.code, "render.tampered", "{what}: {fault:?}");
        assert!(!format!("{fault:?}").contains("secret-number"), "{what}");
    }
    let cut = text.split("sops:").next().unwrap();
    assert_eq!(refused("a.yaml", cut.as_bytes(), &bench.keys()).code, "render.encrypted");
}

#[test]
fn without_the_key_the_recipients_are_named() {
    let Some(bench) = Bench::new() else { return };
    let encrypted = bench.encrypt("a.yaml", b"a: b\n", &[]);
    let stranger = Keys(Some(Identity::generate().to_string()));
    for keys in [Keys(None), stranger, Keys(Some(SecretString::from("# nothing\n".to_owned())))] {
        let fault = refused("a.yaml", &encrypted, &keys);
        assert_eq!(fault.code, "render.encrypted");
        assert!(fault.message.contains(&bench.identity.to_public().to_string()), "{fault:?}");
    }
    let fault = refused("a.yaml", &encrypted, &Keys(Some(SecretString::from("AGE-SECRET-KEY-1NOT".to_owned()))));
    assert!(!format!("{fault:?}").contains("1NOT"), "{fault:?}");
    let shamir = format!("{}    key_groups:\n        - age: []\n", String::from_utf8(encrypted).unwrap());
    assert!(refused("a.yaml", shamir.as_bytes(), &bench.keys()).message.contains("key groups"));
}

#[test]
fn any_of_several_recipients_opens_it() {
    let Some(bench) = Bench::new() else { return };
    let others = [Identity::generate(), Identity::generate()];
    let both = others.iter().map(|one| one.to_public().to_string()).collect::<Vec<_>>().join(",");
    let encrypted = bench.encrypt("a.env", b"A=secret-of-many\n", &["--age", &both]);
    for identity in &others {
        let opened = open("a.env", &encrypted, &Keys(Some(identity.to_string())));
        assert!(opened.is_ok_and(|opened| opened.content == b"A=secret-of-many\n"));
    }
}
