//! Writes digests and numbers as lower-case hexadecimal, and reads them back.

/// A digest in hexadecimal.
pub(super) type Hex = [u8; 64];

/// Returns a digest in hexadecimal.
pub(super) fn hex(hash: &[u8; 32]) -> Hex {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 64];
    for (at, byte) in hash.iter().enumerate() {
        hex[2 * at] = DIGITS[usize::from(byte >> 4)];
        hex[2 * at + 1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

/// Returns a number in 32 hexadecimal digits.
pub(crate) fn hex_number(number: u128) -> String {
    format!("{number:032x}")
}

/// Returns a digest in hexadecimal, as text.
pub(crate) fn hex_text(hash: &[u8; 32]) -> String {
    str::from_utf8(&hex(hash)).expect("digits are ASCII").to_owned()
}

/// The value of each lower-case hexadecimal digit; 255 for every other byte.
const DIGIT_VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

/// Reads a digest.
#[inline]
pub(super) fn unhex(hex: &Hex) -> Option<[u8; 32]> {
    let (mut hash, mut all) = ([0; 32], 0);
    for (byte, pair) in hash.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (DIGIT_VALUES[usize::from(pair[0])], DIGIT_VALUES[usize::from(pair[1])]);
        all |= high | low;
        *byte = high << 4 | low & 15;
    }
    (all < 16).then_some(hash)
}

/// Reads 32 lower-case hexadecimal digits.
#[inline]
pub(super) fn unhex_number(digits: &[u8; 32]) -> Option<u128> {
    let (mut number, mut all) = (0, 0);
    for &digit in digits {
        let value = DIGIT_VALUES[usize::from(digit)];
        all |= value;
        number = number << 4 | u128::from(value & 15);
    }
    (all < 16).then_some(number)
}

#[cfg(test)]
mod tests {
    use crate::audit::{chain::sha256, hex::*};

    #[test]
    fn hex_reads_lower_case_only() {
        let digest = sha256(b"candor");
        assert_eq!(unhex(&hex(&digest)), Some(digest));
        let mut upper = hex(&digest);
        upper.make_ascii_uppercase();
        assert_eq!(unhex(&upper), None);
    }

    #[test]
    fn hex_number_reads_back_as_it_was_written() {
        let number = 0x0123_4567_89ab_cdef_0000_0000_0000_00ff;
        assert_eq!(unhex_number(hex_number(number).as_bytes().try_into().unwrap()), Some(number));
    }
}
