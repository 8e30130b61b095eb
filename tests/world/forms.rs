/// Every form in which a secret could turn up.
pub fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let base64 = |lead: usize| -> Vec<u8> {
        let bytes = [vec![b'x'; lead], secret.as_bytes().to_vec()].concat();
        let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
        let digit = |at: usize| DIGITS[(at..at + 6).fold(0, |value, at| value << 1 | bit(at))];
        // The first digits depend on what stands before.
        (lead.div_ceil(3) * 24..bytes.len() * 8 - 5).step_by(6).map(digit).collect()
    };
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap();
    let hex: String = secret.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let json = serde_json::to_string(secret).unwrap();
    vec![
        ("raw", secret.into()),
        ("base64", base64(0)),
        ("base64 after one byte", base64(1)),
        ("base64 after two bytes", base64(2)),
        ("hexadecimal", hex.to_uppercase().into()),
        ("hexadecimal in small letters", hex.into()),
        ("URL", secret.bytes().map(one).collect::<String>().into()),
        ("JSON", json[1..json.len() - 1].into()),
    ]
}

/// Returns whether these bytes stand among those.
pub fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
