//! werf's slugs: names that Kubernetes and Helm accept, made from names that they may not.
//!
//! A name that is fine already stays as it is. Any other becomes its transliteration, cropped, with the hash of the
//! original behind it, so that two names never share a slug. Letters outside Latin and Russian are left out, as
//! everything is that werf has no letter for.

/// A release's name: a DNS-1123 subdomain of at most 53 characters.
#[must_use]
pub fn release(name: &str) -> String {
    let fits = name.len() <= 53 && name.split('.').all(is_label);
    slug_unless(name, fits, 53)
}

/// A namespace: a DNS-1123 label of at most 63 characters.
#[must_use]
pub fn namespace(name: &str) -> String {
    slug_unless(name, name.len() <= 63 && is_label(name), 63)
}

/// A tag of an image: letters, digits, `_`, `.` and `-`, at most 128, beginning with none of the last two.
#[must_use]
pub fn docker_tag(name: &str) -> String {
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let fits = name.len() <= 128
        && name.bytes().all(|c| word(c) || c == b'.' || c == b'-')
        && name.bytes().next().is_some_and(word);
    slug_unless(name, fits, 128)
}

fn is_label(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn slug_unless(name: &str, fits: bool, max: usize) -> String {
    if name.is_empty() || fits {
        return name.to_owned();
    }
    let hash = format!("{:x}", murmur3_32(name.as_bytes()));
    let mut text = transliterate(name);
    // Go: the crop may leave a trailing dash, which gives two in a row; kept, since names must not change.
    text.truncate(max - hash.len() - 1);
    if text.is_empty() {
        hash
    } else {
        format!("{text}-{hash}")
    }
}

fn transliterate(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        let lower = c.to_lowercase().next().unwrap_or(c);
        match lower {
            'a'..='z' | '0'..='9' => text.push(lower),
            '&' | '(' | ')' | '{' | '}' | '[' | ']' | '-' | '_' | ',' | '.' | ';' | ':' | '=' | '+' | '<'
            | '>' | '~' | '/' | ' ' => {
                if !text.is_empty() && !text.ends_with('-') {
                    text.push('-');
                }
            }
            _ => {
                if let Some((latin, _)) = LETTERS.iter().find(|(_, letters)| letters.contains(lower)) {
                    text.push_str(latin);
                }
            }
        }
    }
    if text.ends_with('-') {
        text.pop();
    }
    text
}

/// Latin spelling and the letters that have it, in lower case. The oddities (`ß` as b, `ð` as o) are werf's.
const LETTERS: &[(&str, &str)] = &[
    ("a", "àáâãäåāăąǎǟǡǻȁȃȧạảấầẩẫậắằẳẵặа"),
    ("ae", "æǣǽ"),
    ("b", "ßḃḅḇб"),
    ("c", "çćĉċčц"),
    ("ch", "ч"),
    ("d", "ďđḋḍḏḑḓд"),
    ("e", "èéêëēĕėęěȅȇȩẹẻẽếềểễệэ"),
    ("f", "ḟф"),
    ("g", "ĝğġģǥǧǵг"),
    ("h", "ĥħȟḣḥḧḩḫх"),
    ("i", "ìíîïĩīĭįǐȉȋи"),
    ("ij", "ĳ"),
    ("j", "ĵǰй"),
    ("k", "ķĸǩḱḳḵк"),
    ("l", "ıĺļľŀłḷḹḻḽл"),
    ("m", "ḿṁṃм"),
    ("n", "ñńņňŉŋǹṅṇṉṋн"),
    ("o", "ðòóôõöøōŏőơǒǫǭǿȍȏȫȭȯȱọỏốồổỗộớờởỡợо"),
    ("oe", "œ"),
    ("p", "ṕṗп"),
    ("r", "ŕŗřȑȓṙṛṝṟр"),
    ("s", "śŝşšșſṡṣṥṧṩс"),
    ("sh", "ш"),
    ("shch", "щ"),
    ("t", "ţťŧțṫṭṯṱт"),
    ("th", "þ"),
    ("u", "µùúûüũūŭůűųưǔǖǘǚǜȕȗụủứừửữựу"),
    ("v", "ṽṿв"),
    ("w", "ŵẁẃẅẇẉ"),
    ("x", "×ẋẍ"),
    ("y", "ýÿŷȳẏỳỵỷỹы"),
    ("ya", "я"),
    ("ye", "е"),
    ("yo", "ё"),
    ("yu", "ю"),
    ("z", "źżžƶȥẑẓẕз"),
    ("zh", "ж"),
    ("2", "²"),
    ("3", "³"),
];

/// MurmurHash3 for x86, 32 bits, seed 0.
fn murmur3_32(data: &[u8]) -> u32 {
    let mix = |k: u32| {
        k.wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593)
    };
    let mut hash: u32 = 0;
    let mut blocks = data.chunks_exact(4);
    for block in &mut blocks {
        let k = u32::from_le_bytes([block[0], block[1], block[2], block[3]]);
        hash = (hash ^ mix(k))
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    let tail = blocks
        .remainder()
        .iter()
        .rev()
        .fold(0, |k: u32, byte| k << 8 | u32::from(*byte));
    hash ^= mix(tail) ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded from werf 2.66.2 (`werf slugify -f helm-release`).
    #[test]
    fn releases_are_slugged_as_by_werf() {
        for (name, want) in [
            ("", ""),
            ("my-app-production", "my-app-production"),
            ("my.app.production", "my.app.production"),
            ("my_release-NAME", "my-release-name-8dd403af"),
            ("MyApp", "myapp-eedff271"),
            (
                &"a".repeat(54),
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-d104d36d",
            ),
            (
                "Project-Feature-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
                "project-feature-xxxxxxxxxxxxxxxxxxxxxxxxxxxx-ac0b773c",
            ),
            ("my app", "my-app-60b4fa8"),
            ("1app", "1app"),
            ("a--b--c", "a--b--c"),
            ("приложение", "prilozhyeniye-a9752b7"),
        ] {
            assert_eq!(release(name), want, "{name}");
        }
    }

    // Recorded from werf 2.66.2 (`werf slugify -f docker-tag`).
    #[test]
    fn tags_are_slugged_as_by_werf() {
        for (name, want) in [
            ("v1.2_x-Y", "v1.2_x-Y".to_owned()),
            ("feature/x", "feature-x-8339ecf4".to_owned()),
            (&"t".repeat(128), "t".repeat(128)),
            (&"t".repeat(129), format!("{}-cb8c969b", "t".repeat(119))),
            ("-x-", "x-ecc8eea1".to_owned()),
            ("", String::new()),
        ] {
            assert_eq!(docker_tag(name), want, "{name}");
        }
    }

    // Recorded from werf 2.66.2 (`werf slugify -f kubernetes-namespace`).
    #[test]
    fn namespaces_are_slugged_as_by_werf() {
        for (name, want) in [
            ("my-app", "my-app"),
            ("my.app", "my-app-c68463fa"),
            (
                &"n".repeat(64),
                "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn-63292619",
            ),
            (
                "feature/JIRA-123_some thing",
                "feature-jira-123-some-thing-77a805a0",
            ),
            ("feature--x", "feature--x"),
            ("分支", "f76e7e1c"),
            ("a😀b", "ab-ba4460fc"),
        ] {
            assert_eq!(namespace(name), want, "{name}");
        }
    }
}
