//! Owners of git mappings that are names: the image's `/etc/passwd` and `/etc/group` tell their numbers.
//!
//! They are looked up once, when the mappings are first laid onto an image, and go on with its stages in a label, so
//! that a patch is made without an engine. The name is in the key, the number is not: it follows from what is below.

use std::collections::BTreeMap;

use kiel_stapel::spec::GitMapping;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::git::layer::Owner;

/// The label of a stage's image.
const LABEL: &str = "dev.kiel.owners";
pub(crate) const USERS: &str = "/etc/passwd";
pub(crate) const GROUPS: &str = "/etc/group";

/// Numbers of users and groups by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owners {
    users: BTreeMap<String, u64>,
    groups: BTreeMap<String, u64>,
}

/// The names that mappings have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    users: Vec<String>,
    groups: Vec<String>,
}

impl Names {
    pub(crate) fn of(mappings: &[GitMapping]) -> Self {
        let names = |owner: fn(&GitMapping) -> &Option<String>| {
            let given = mappings.iter().filter_map(|mapping| owner(mapping).as_deref());
            // Zero is root in every image, even in one without these files.
            let named = given.filter(|name| name.parse::<u64>().is_err() && *name != "root");
            named.map(str::to_owned).collect()
        };
        Self {
            users: names(|mapping| &mapping.owner),
            groups: names(|mapping| &mapping.group),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

impl Owners {
    /// The numbers of these names; the first one that is not there is told with its file.
    pub(crate) fn find(names: &Names, users: &str, groups: &str) -> Result<Self, (String, &'static str)> {
        let numbers = |names: &[String], text: &str, file| {
            let number = |name: &String| match number_of(text, name) {
                Some(number) => Ok((name.clone(), number)),
                None => Err((name.clone(), file)),
            };
            names.iter().map(number).collect::<Result<BTreeMap<_, _>, _>>()
        };
        Ok(Self {
            users: numbers(&names.users, users, USERS)?,
            groups: numbers(&names.groups, groups, GROUPS)?,
        })
    }

    /// Whether all of these names are known.
    pub(crate) fn know(&self, names: &Names) -> bool {
        names.users.iter().all(|name| self.users.contains_key(name))
            && names.groups.iter().all(|name| self.groups.contains_key(name))
    }

    /// To whom a mapping's files belong.
    pub(crate) fn of(&self, mapping: &GitMapping) -> Owner {
        let number = |given: &Option<String>, known: &BTreeMap<String, u64>| {
            let text = given.as_deref().unwrap_or_default();
            text.parse()
                .ok()
                .or_else(|| known.get(text).copied())
                .unwrap_or_default()
        };
        Owner {
            user_id: number(&mapping.owner, &self.users),
            group_id: number(&mapping.group, &self.groups),
            ..Owner::default()
        }
    }

    /// What a stage's config says.
    pub(crate) fn read_label(config: &Value) -> Self {
        let label = config["config"]["Labels"][LABEL].as_str().unwrap_or_default();
        serde_json::from_str(label).unwrap_or_default()
    }

    /// Notes the numbers in a stage's config; takes the note of the stage before out where there are none.
    pub(crate) fn write_label(&self, config: &mut Value) {
        let text = serde_json::to_string(self).expect("names and numbers are always serializable");
        super::saw::set_label(config, LABEL, (*self != Self::default()).then_some(text));
    }
}

/// The third field of the line that begins with the name.
fn number_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(owner: &str, group: &str) -> GitMapping {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        GitMapping {
            owner: given(owner),
            group: given(group),
            ..GitMapping::default()
        }
    }

    #[test]
    fn names_are_looked_up_and_numbers_are_not() {
        let mappings = [mapping("app", "7"), mapping("33", "web"), mapping("root", "")];
        let names = Names::of(&mappings);
        let users = "root:x:0:0:root:/root:/bin/sh\napp2:x:5:5::/:\napp:x:1000:1001::/home/app:/bin/sh\n";
        let found = Owners::find(&names, users, "web:x:82:\n").expect("all are there");
        let numbers: Vec<(u64, u64)> = mappings
            .iter()
            .map(|mapping| found.of(mapping))
            .map(|owner| (owner.user_id, owner.group_id))
            .collect();
        assert_eq!(numbers, [(1000, 7), (33, 82), (0, 0)]);
        assert!(found.know(&names) && !Owners::default().know(&names));
        assert_eq!(
            Owners::find(&names, "app:x:1:1::/:\n", ""),
            Err(("web".to_owned(), GROUPS))
        );
        assert!(Names::of(&mappings[2..]).is_empty());
        let mut config = serde_json::json!({"config": {}});
        found.write_label(&mut config);
        assert_eq!(Owners::read_label(&config), found);
        Owners::default().write_label(&mut config);
        assert_eq!(config, serde_json::json!({"config": {}}));
    }
}
