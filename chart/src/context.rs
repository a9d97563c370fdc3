//! What templates see: the root of every chart, and the templates of all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiel_template::Value;
use kiel_template::value::{Function, Map, MapType, Type};

use crate::chart_object::ChartObject;
use crate::coalesce::table_at;
use crate::files_object::files_value;
use crate::render::RenderInput;
use crate::tree::{NodeId, Tree};

/// Go: `chartutil.Values`, the type of `.Values` and of the root.
static VALUES: MapType = MapType {
    name: "chartutil.Values",
    defined: true,
    elem: Type::Any,
    method: values_method,
};

/// A template file and what it is executed with.
pub(crate) struct Renderable {
    /// Its text.
    pub(crate) text: Arc<[u8]>,
    /// The root of its chart, shared by all of the chart's files.
    root: Map,
    /// The chart's `templates` folder.
    base_path: String,
}

/// All templates of a release by name.
pub(crate) struct Context {
    pub(crate) templates: BTreeMap<String, Renderable>,
}

impl Context {
    /// Go: `recAllTpls`.
    /// `extra` is what stands beside Helm's own in the root of the data.
    pub(crate) fn new(tree: &Tree<'_>, input: &RenderInput<'_>, values: &Map, extra: &Map) -> Self {
        let mut context = Self {
            templates: BTreeMap::new(),
        };
        let release = &input.release;
        let top = Map::new();
        top.insert(
            "Release",
            Value::map([
                ("Name", Value::from(release.name.as_str())),
                ("Namespace", Value::from(release.namespace.as_str())),
                ("IsUpgrade", Value::Bool(release.is_upgrade)),
                // Go: lint renders revision 0, which is neither.
                (
                    "IsInstall",
                    Value::Bool(!release.is_upgrade && release.revision > 0),
                ),
                ("Revision", Value::int(release.revision)),
                ("Service", Value::from("Helm")),
            ]),
        );
        top.insert("Capabilities", input.capabilities.to_value());
        top.insert("Values", Value::Map(values.with_type(&VALUES)));
        context.add(tree, tree.root(), &top, extra);
        context
    }

    fn add(&mut self, tree: &Tree<'_>, id: NodeId, parent: &Map, extra: &Map) -> Map {
        let node = tree.node(id);
        let metadata = tree.metadata(id);
        let is_library = metadata.is_library();
        let subcharts = Map::new();
        let values = if tree.is_root(id) {
            parent.get("Values").unwrap_or_default()
        } else {
            let own = table_at(parent, &format!("Values.{}", tree.name(id))).unwrap_or_default();
            Value::Map(own.with_type(&VALUES))
        };
        let root = extra.shallow_copy();
        root.insert(
            "Chart",
            Value::object(ChartObject::new(metadata, tree.is_root(id))),
        );
        root.insert("Files", files_value(&node.chart.files));
        root.insert("Release", parent.get("Release").unwrap_or_default());
        root.insert("Capabilities", parent.get("Capabilities").unwrap_or_default());
        root.insert("Values", values);
        root.insert("Subcharts", Value::Map(subcharts.clone()));
        for child in &node.children {
            let child_root = self.add(tree, *child, &root, extra);
            subcharts.insert(tree.name(*child), Value::Map(child_root));
        }
        let path = tree.full_path(id);
        for file in &node.chart.templates {
            if is_library && !file.name.rsplit('/').next().unwrap_or_default().starts_with('_') {
                continue;
            }
            let template = Renderable {
                text: file.data.to_shared(),
                root: root.clone(),
                base_path: format!("{path}/templates"),
            };
            self.templates.insert(format!("{path}/{}", file.name), template);
        }
        root
    }

    /// The names of all templates in the order in which they are parsed and executed: deep ones first,
    /// and of equal depth the last by name first, so that what comes later defines names anew.
    pub(crate) fn names(&self) -> Vec<&str> {
        let depth = |name: &str| name.matches('/').count();
        let names = self.templates.keys().rev().map(String::as_str);
        let mut names: Vec<(usize, &str)> = names.map(|name| (depth(name), name)).collect();
        names.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
        names.into_iter().map(|(_, name)| name).collect()
    }
}

impl Renderable {
    /// The value to execute the template with; it tells the template its own name.
    pub(crate) fn data(&self, name: &str) -> Value {
        let template = Map::new();
        template.insert("Name", Value::from(name));
        template.insert("BasePath", Value::from(self.base_path.as_str()));
        self.root
            .insert("Template", Value::Map(template.with_type(&VALUES)));
        Value::Map(self.root.with_type(&VALUES))
    }
}

/// Whether a file only defines templates for others.
pub(crate) fn is_partial(name: &str) -> bool {
    name.rsplit('/').next().unwrap_or_default().starts_with('_')
}

fn values_method(values: &Value, name: &str) -> Option<Function> {
    let values = values.as_map()?.clone();
    let method = match name {
        "AsMap" => Function::new("AsMap", &[], move |_, _| {
            Ok(Value::Map(if values.is_empty() {
                Map::new()
            } else {
                values.with_type(&kiel_template::value::ANY_MAP)
            }))
        }),
        "YAML" => Function::new("YAML", &[], move |_, _| {
            Ok(Value::from(
                kiel_template::yaml::to_string(&Value::Map(values.clone())).unwrap_or_default(),
            ))
        }),
        "Table" => Function::new("Table", &[Type::String], move |_, args| {
            let path = String::from_utf8_lossy(args[0].as_bytes().unwrap_or_default()).into_owned();
            match table_at(&values, &path) {
                Some(table) => Ok(Value::Map(table.with_type(&VALUES))),
                None => {
                    let missing = path.rsplit('.').next().unwrap_or_default();
                    Err(format!("{missing:?} is not a table").into())
                }
            }
        }),
        "PathValue" => Function::new("PathValue", &[Type::String], move |_, args| {
            let path = String::from_utf8_lossy(args[0].as_bytes().unwrap_or_default()).into_owned();
            crate::coalesce::leaf_at(&values, &path).ok_or_else(|| {
                format!("{:?} is not a value", path.rsplit('.').next().unwrap_or_default()).into()
            })
        }),
        _ => return None,
    };
    Some(method)
}
