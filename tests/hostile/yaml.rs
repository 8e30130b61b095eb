//! Class C: documents, as they come by a push.

#[path = "../config/bombs.rs"]
mod bombs;

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = bombs::refused().into_iter().map(refused).collect();
    cases.extend(large());
    cases.extend(values());
    cases.extend(documents());
    cases
}

/// A text that the parser refuses, as a document of the application.
fn refused(bomb: bombs::Case) -> Case {
    let (id, title) = match bomb.id.split_once(' ') {
        Some((id, title)) if id.starts_with('C') => (id, title),
        _ => ("C8", bomb.id),
    };
    // A file over the repository's limit is not even read.
    let codes: &'static [&'static str] = match title {
        "too large" => &["source.too-large"],
        // In documents of trueup a number is no key at all.
        "twice, told apart by type" => &["yaml.key"],
        _ => Box::leak(Box::new([bomb.code])),
    };
    Case::refused(id, title, codes).commit(move |ground| {
        ground.repo.write("app/poison.yaml", &bomb.text);
    })
}

fn large() -> Vec<Case> {
    let sized = |title: &'static str, name: &'static str, mib: u64| {
        Case::refused("C3", title, &["source.too-large"]).within(60).attack(move |ground| {
            let path = ground.repo.work().join(name);
            let file = std::fs::File::create(path).expect("a file can be made");
            file.set_len(mib << 20).expect("a file can be long");
            // What it costs git to squeeze zeros is not what is measured here.
            ground.repo.git(&["config", "core.compression", "1"]);
            ground.land();
        })
    };
    vec![
        sized("a package-lock.json of 200 MB in the application", "app/package-lock.json", 191),
        // As a server would send it: to have git squeeze a real one would take a minute.
        Case::refused("C3", "a scalar of 1 GiB", &["source.too-large"]).attack(|ground| {
            ground.spec.url = crate::lies::inflating(1 << 30);
            ground.spec.repository = "limits: { mirrorMib: 1 }".into();
        }),
        Case::refused("C3", "many files that together are too large", &["source.too-large"]).within(60).commit(
            |ground| {
                for number in 0..9 {
                    ground.repo.write(&format!("app/files/{number}"), vec![number; 8 << 20]);
                }
            },
        ),
    ]
}

/// What a value reads as, seen in a live file.
fn values() -> Vec<Case> {
    let content = |id, written: &'static str, bytes: &'static [u8]| {
        let look = move |ground: &crate::case::Ground| assert_eq!(ground.read("poison"), bytes);
        Case::powerless(id, format!("content: {written}"), look).commit(move |ground| {
            let document =
                ground.document("File", "poison", "SPEC").replace("SPEC", &format!("{{ content: {written} }}"));
            ground.repo.write("app/poison.yaml", document);
        })
    };
    let text = |id, title: &'static str, text: &'static [u8], bytes: &'static [u8]| {
        let look = move |ground: &crate::case::Ground| assert_eq!(ground.read("poison"), bytes);
        Case::powerless(id, title, look).commit(move |ground| {
            let document = ground.document("File", "poison", "");
            let document = document.trim_end().strip_suffix("spec:").expect("it ends so").as_bytes().to_vec();
            ground.repo.write("app/poison.yaml", [document, text.to_vec()].concat());
        })
    };
    let mode = |written: &'static str| {
        Case::refused("C7", format!("mode: {written}"), &["schema.type"]).commit(move |ground| {
            let spec = format!("{{ content: x, mode: {written} }}");
            ground.repo.write("app/poison.yaml", ground.document("File", "poison", &spec));
        })
    };
    let number = |written: &'static str, codes| {
        Case::refused("C7", format!("content: {written}"), codes).commit(move |ground| {
            let spec = format!("{{ content: {written} }}");
            ground.repo.write("app/poison.yaml", ground.document("File", "poison", &spec));
        })
    };
    vec![
        content("C7", "no", b"no"),
        content("C7", "22:22", b"22:22"),
        content("C7", "'0777'", b"0777"),
        mode("0777"),
        mode("0o17"),
        number("9223372036854775808", &["schema.type"]),
        number("true", &["schema.type"]),
        number("1_000", &["schema.type"]),
        content("C8", "\"a\\u202eb\"", "a\u{202e}b".as_bytes()),
        text(
            "C8",
            "bidi, unescaped, in a block",
            "spec:\n  content: |\n    a\u{202e}b\n".as_bytes(),
            "a\u{202e}b\n".as_bytes(),
        ),
        text("C8", "CRLF", b"spec:\r\n  content: |\r\n    a\r\n", b"a\n"),
        text("C8", "--- inside a block", b"spec:\n  content: |\n    a\n    ---\n    b\n", b"a\n---\nb\n"),
        text("C8", "a tab inside a block", b"spec:\n  content: |\n    a\tb\n", b"a\tb\n"),
        Case::powerless("C8", "a byte order mark in front", |ground| assert_eq!(ground.read("poison"), b"x")).commit(
            |ground| {
                let document = ground.document("File", "poison", "{ content: x }");
                ground.repo.write("app/poison.yaml", format!("\u{feff}{document}"));
            },
        ),
    ]
}

/// Documents that are none, or not yet.
fn documents() -> Vec<Case> {
    let only = |id, title: &'static str, codes, text: &'static str| {
        Case::refused(id, title, codes).commit(move |ground| {
            ground.repo.write("app/poison.yaml", text);
        })
    };
    let emptied = |title: &'static str, text: &'static str| {
        Case::refused("C13", title, &["guard.empty-render"]).commit(move |ground| {
            ground.repo.remove("app/root").write("app/three.yaml", text);
        })
    };
    let sops = "apiVersion: ENC[AES256_GCM,data:x]\nkind: ENC[AES256_GCM,data:y]\nmetadata: ENC[x]\n";
    vec![
        only("C11", "a whole document under SOPS", &["render.encrypted"], sops),
        only("C13", "a scalar", &["render.invalid"], "just words\n"),
        only("C13", "a list", &["render.invalid"], "[]\n"),
        only(
            "C13",
            "without kind",
            &["render.invalid"],
            "apiVersion: host.trueup.dev/v1alpha1\nmetadata: { name: /x }\n",
        ),
        only(
            "C13",
            "without apiVersion",
            &["render.invalid"],
            "kind: File\nmetadata: { name: /x }\nspec: { content: x }\n",
        ),
        emptied("everything gone but an empty file", ""),
        emptied("everything gone but comments", "# nothing\n"),
        emptied("everything gone but empty documents", "---\n---\nnull\n"),
    ]
}
