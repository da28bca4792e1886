//! One frame: encoding, decoding, checksum.

/// Bytes before a frame's payload.
pub const FRAME_HEADER_BYTES: usize = 32;
/// Kinds below this one belong to the log itself.
pub const KIND_FIRST: u8 = 16;
/// Ends a batch.
pub(crate) const KIND_COMMIT: u8 = 1;
/// Marks a clean stop; payload is the copy's number (0 or 1).
pub(crate) const KIND_CLOSE: u8 = 2;
/// Frames begin on multiples of this.
pub(crate) const ALIGN: usize = 8;

/// The fields of a valid frame and where its payload stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub seq: u64,
    pub batch: u64,
    pub previous: u32,
    pub crc: u32,
    pub kind: u8,
    pub len: usize,
    pub payload: &'a [u8],
}

/// Rounds up to the next frame boundary.
pub(crate) const fn aligned(len: usize) -> usize {
    (len + ALIGN - 1) & !(ALIGN - 1)
}

/// Appends one frame (with zero padding to the next boundary) to `out`; returns its checksum.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    seq: u64,
    batch: u64,
    previous: u32,
    kind: u8,
    parts: &[&[u8]],
) -> u32 {
    let start = out.len();
    let len = FRAME_HEADER_BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&(len as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&batch.to_le_bytes());
    out.extend_from_slice(&previous.to_le_bytes());
    out.extend_from_slice(&[kind, 0, 0, 0]);
    for part in parts {
        out.extend_from_slice(part);
    }
    let crc = checksum(&out[start..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    out.resize(start + aligned(len), 0);
    crc
}

/// Checksum of a whole frame, its own field left out.
fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

/// Decodes the frame at the beginning of `bytes`; the reason when there is none.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame<'_>, &'static str> {
    if bytes.len() < FRAME_HEADER_BYTES {
        return Err("no room for a frame header");
    }
    let len = u32_at(bytes, 0) as usize;
    if len < FRAME_HEADER_BYTES || len > bytes.len() {
        return Err("the frame length is impossible");
    }
    if bytes[29..32] != [0; 3] {
        return Err("reserved bytes of a frame are not zero");
    }
    let crc = u32_at(bytes, 4);
    if checksum(&bytes[..len]) != crc {
        return Err("the frame's checksum does not match its bytes");
    }
    if bytes[len..aligned(len).min(bytes.len())].iter().any(|byte| *byte != 0) {
        return Err("padding behind a frame is not zero");
    }
    Ok(Frame {
        seq: u64_at(bytes, 8),
        batch: u64_at(bytes, 16),
        previous: u32_at(bytes, 24),
        crc,
        kind: bytes[28],
        len,
        payload: &bytes[FRAME_HEADER_BYTES..len],
    })
}
