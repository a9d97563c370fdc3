//! As much of DER (X.690) as certificates and private keys need: definite lengths, tags of one byte.

/// Tags by their names in X.680.
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_ID: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The tag `[number]` around other elements.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// The tag `[number]` in place of a simple element's own.
pub(super) const fn context_primitive(number: u8) -> u8 {
    0x80 | number
}

/// An element: tag, length, value.
pub(super) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(value.len()) {
        Ok(length @ 0..0x80) => out.push(length),
        _ => {
            let length = value.len().to_be_bytes();
            let skipped = length.iter().take_while(|byte| **byte == 0).count();
            let length = &length[skipped..];
            out.push(0x80 | length.len().to_le_bytes()[0]);
            out.extend_from_slice(length);
        }
    }
    out.extend_from_slice(value);
    out
}

/// A non-negative `INTEGER` out of big-endian bytes.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let skipped = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut value = bytes[skipped..].to_vec();
    if value.first().is_none_or(|byte| *byte >= 0x80) {
        value.insert(0, 0);
    }
    tlv(INTEGER, &value)
}

/// A `BIT STRING` whose last `unused` bits don't count.
pub(super) fn bits(bytes: &[u8], unused: u8) -> Vec<u8> {
    tlv(BIT_STRING, &[&[unused], bytes].concat())
}

/// A `Time` (RFC 5280, section 4.1.2.5): `UTCTime` from 1950 to 2049, else `GeneralizedTime`.
pub(super) fn time(time: jiff::Timestamp) -> Result<Vec<u8>, String> {
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    match time.year() {
        1950..=2049 => Ok(tlv(
            UTC_TIME,
            time.strftime("%y%m%d%H%M%SZ").to_string().as_bytes(),
        )),
        0..=9999 => Ok(tlv(
            GENERALIZED_TIME,
            time.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes(),
        )),
        _ => Err("asn1: cannot represent time as GeneralizedTime".to_owned()),
    }
}

/// An element that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) content: &'a [u8],
    /// With tag and length.
    pub(super) whole: &'a [u8],
}

/// Reads element after element; `None` where the bytes are not DER or not what is expected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next element, which has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        let (found, rest) = self.0.split_first()?;
        if *found != tag {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let (digits, rest) = rest.split_at_checked(count)?;
            let length = digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - after.len()];
        self.0 = after;
        Some(Element { content, whole })
    }

    /// The next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.0.first() == Some(&tag) {
            self.expect(tag)
        } else {
            None
        }
    }

    /// Nothing may follow.
    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
