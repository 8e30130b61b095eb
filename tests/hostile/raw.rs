//! Packs and streams, bit by bit: what git itself would not write.

/// Returns a pkt-line.
pub(crate) fn packet(line: &[u8]) -> Vec<u8> {
    let mut packet = format!("{:04x}", line.len() + 4).into_bytes();
    packet.extend_from_slice(line);
    packet
}

/// Returns the header of an entry in a pack. `kind`: 3 is a blob, 7 a delta against an object id.
pub(crate) fn entry_header(kind: u8, mut size: u64) -> Vec<u8> {
    let low = |size: u64, mask: u64| u8::try_from(size & mask).expect("masked");
    let mut header = vec![kind << 4 | low(size, 15)];
    size >>= 4;
    while size > 0 {
        *header.last_mut().expect("one byte") |= 0x80;
        header.push(low(size, 127));
        size >>= 7;
    }
    header
}

/// Returns a zlib stream that holds `data` as it is.
pub(crate) fn stored(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("one block");
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend_from_slice(&length.to_le_bytes());
    stream.extend_from_slice(&(!length).to_le_bytes());
    stream.extend_from_slice(data);
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    stream.extend_from_slice(&(b << 16 | a).to_be_bytes());
    stream
}

/// Returns the beginning of a deflate stream of zeros: `runs` times 258 of them.
pub(crate) fn zeros(runs: usize) -> Vec<u8> {
    let (mut bytes, mut waiting, mut held) = (vec![0x78, 0x01], 0_u32, 0);
    let mut put = |bits: u32, count: u32, reversed: bool| {
        let bits = if reversed { bits.reverse_bits() >> (32 - count) } else { bits };
        waiting |= bits << held;
        held += count;
        while held >= 8 {
            bytes.push(u8::try_from(waiting & 255).expect("masked"));
            waiting >>= 8;
            held -= 8;
        }
    };
    // One block of fixed codes, not the last; a zero, then "258 more, from one before".
    put(0, 1, false);
    put(1, 2, false);
    put(0x30, 8, true);
    for _ in 0..runs {
        put(0b1100_0101, 8, true);
        put(0, 5, true);
    }
    bytes
}

/// Returns a pack of these entries, with a trailer that is wrong.
pub(crate) fn pack(entries: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(entries.len()).expect("few entries");
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&count.to_be_bytes());
    for entry in entries {
        pack.extend_from_slice(entry);
    }
    pack.extend_from_slice(&[0; 20]);
    pack
}
