//! An OpenID Connect provider that says whatever it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// What is wrong with what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    AlgorithmNone,
    SymmetricWithThePublicKey,
    OtherKey,
    OtherAudience,
    MoreAudiences,
    NoAudience,
    OtherIssuer,
    OtherNonce,
    NoNonce,
    Expired,
    NoExpiry,
    OtherSubject,
    NoSubject,
    EmptySubject,
    NoToken,
    TwoTokens,
    Endless,
    LongToken,
}

impl Lie {
    pub(crate) const ALL: [Self; 18] = [
        Self::AlgorithmNone,
        Self::SymmetricWithThePublicKey,
        Self::OtherKey,
        Self::OtherAudience,
        Self::MoreAudiences,
        Self::NoAudience,
        Self::OtherIssuer,
        Self::OtherNonce,
        Self::NoNonce,
        Self::Expired,
        Self::NoExpiry,
        Self::OtherSubject,
        Self::NoSubject,
        Self::EmptySubject,
        Self::NoToken,
        Self::TwoTokens,
        Self::Endless,
        Self::LongToken,
    ];
}

pub(crate) struct Liar {
    address: SocketAddr,
    told: Arc<Mutex<(Lie, String)>>,
}

impl Liar {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new((Lie::None, String::new())));
        let (own, other) = (key(), key());
        let seen = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (lie, nonce) = seen.lock().unwrap().clone();
                answer(&stream, address, lie, &nonce, &own, &other);
            }
        });
        Self { address, told }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is said from now on.
    pub(crate) fn tell(&self, lie: Lie, nonce: &str) {
        *self.told.lock().unwrap() = (lie, nonce.to_owned());
    }
}

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
}

fn answer(
    mut stream: &TcpStream,
    address: SocketAddr,
    lie: Lie,
    nonce: &str,
    own: &EcdsaKeyPair,
    other: &EcdsaKeyPair,
) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    let _ = reader.read_line(&mut first);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap_or(0) <= 2 {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let asked = first.split(' ').nth(1).unwrap_or_default();
    let base = format!("http://{address}");
    let said = match asked {
        "/.well-known/openid-configuration" => json!({
            "issuer": base, "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token"),
            "jwks_uri": format!("{base}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        })
        .to_string(),
        "/keys" => {
            let point = own.public_key().as_ref();
            let half = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
            let key = json!({ "kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256", "x": half(1..33), "y": half(33..65) });
            json!({ "keys": [key] }).to_string()
        }
        "/token" => tokens(&base, lie, nonce, own, other),
        _ => String::new(),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        said.len()
    );
    let _ = stream.write_all(format!("{head}{said}").as_bytes());
}

fn tokens(base: &str, lie: Lie, nonce: &str, own: &EcdsaKeyPair, other: &EcdsaKeyPair) -> String {
    let token = token(base, lie, nonce, own, other);
    let start = "{\"access_token\":\"a\",\"token_type\":\"bearer\"";
    match lie {
        Lie::NoToken => format!("{start}}}"),
        Lie::TwoTokens => format!("{start},\"id_token\":\"{token}\",\"id_token\":\"{token}\"}}"),
        Lie::Endless => format!("{start},\"id_token\":\"{token}\",\"more\":\"{}\"}}", "x".repeat(1024 * 1024)),
        _ => format!("{start},\"id_token\":\"{token}\"}}"),
    }
}

fn token(base: &str, lie: Lie, nonce: &str, own: &EcdsaKeyPair, other: &EcdsaKeyPair) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims =
        json!({ "iss": base, "aud": "client-1", "sub": "ada", "nonce": nonce, "iat": now, "exp": now + 300 });
    let mut set = |key: &str, value: Value| claims[key] = value;
    match lie {
        Lie::OtherAudience => set("aud", json!("client-2")),
        Lie::MoreAudiences => set("aud", json!(["client-1", "client-2"])),
        Lie::OtherIssuer => set("iss", json!("https://evil.example")),
        Lie::OtherNonce => set("nonce", json!("another")),
        Lie::Expired => set("exp", json!(now - 3600)),
        Lie::OtherSubject => set("sub", json!("Ada")),
        Lie::EmptySubject => set("sub", json!("")),
        Lie::LongToken => set("more", json!("x".repeat(8 * 1024))),
        _ => {}
    }
    let gone = match lie {
        Lie::NoAudience => "aud",
        Lie::NoNonce => "nonce",
        Lie::NoExpiry => "exp",
        Lie::NoSubject => "sub",
        _ => "",
    };
    claims.as_object_mut().unwrap().remove(gone);
    let algorithm = match lie {
        Lie::AlgorithmNone => "none",
        Lie::SymmetricWithThePublicKey => "HS256",
        _ => "ES256",
    };
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&json!({ "alg": algorithm, "kid": "k", "typ": "JWT" })), encode(&claims));
    let signature = match lie {
        Lie::AlgorithmNone => vec![],
        Lie::SymmetricWithThePublicKey => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, own.public_key().as_ref());
            hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
        }
        Lie::OtherKey => other.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec(),
        _ => own.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec(),
    };
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
