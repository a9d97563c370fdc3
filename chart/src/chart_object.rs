//! `.Chart`: a chart's metadata in templates, as the Go structures that Helm shows.

use std::any::Any;
use std::cell::OnceCell;
use std::rc::Rc;

use kiel_template::Value;
use kiel_template::value::{
    Entries, Function, Kind, List, Map, Object, STRING_MAP, STRING_SLICE, SliceType, Str, Type,
};

use crate::metadata::{Dependency, Maintainer, Metadata};

/// `.Chart`: the metadata with `IsRoot` beside it.
pub(crate) struct ChartObject {
    metadata: Rc<MetadataObject>,
    is_root: bool,
}

struct MetadataObject {
    metadata: Metadata,
    /// Made when they are first asked for; templates ask for some of them again and again.
    fields: OnceCell<Vec<(&'static str, Value)>>,
}

fn no_method(_: &Value, _: &str) -> Option<Function> {
    None
}

const fn pointer_slice(name: &'static str, elem: &'static str) -> SliceType {
    SliceType {
        name,
        defined: false,
        elem: Type::Named(elem, Kind::Ptr),
        method: no_method,
    }
}

static MAINTAINERS: SliceType = pointer_slice("[]*chart.Maintainer", Maintainer::TYPE);
static DEPENDENCIES: SliceType = pointer_slice("[]*chart.Dependency", Dependency::TYPE);

impl ChartObject {
    pub(crate) fn new(metadata: Metadata, is_root: bool) -> Self {
        Self {
            metadata: Rc::new(MetadataObject {
                metadata,
                fields: OnceCell::new(),
            }),
            is_root,
        }
    }
}

impl Object for ChartObject {
    fn type_name(&self) -> &'static str {
        "struct { chart.Metadata; IsRoot bool }"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, _: &str) -> Option<Function> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let metadata: Rc<dyn Object> = Rc::clone(&self.metadata) as Rc<dyn Object>;
        vec![
            ("Metadata", Value::Object(metadata)),
            ("IsRoot", Value::Bool(self.is_root)),
        ]
    }

    fn field(&self, name: &str) -> Option<Value> {
        // Go: the fields of an embedded structure are fields of its holder.
        match name {
            "Metadata" => Some(Value::Object(Rc::clone(&self.metadata) as Rc<dyn Object>)),
            "IsRoot" => Some(Value::Bool(self.is_root)),
            _ => self.metadata.field(name),
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let mut json = self.metadata.metadata.to_json();
        if let Some(object) = json.as_object_mut() {
            object.insert("IsRoot".to_owned(), self.is_root.into());
        }
        json
    }
}

impl Object for MetadataObject {
    fn type_name(&self) -> &'static str {
        "chart.Metadata"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, _: &str) -> Option<Function> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.fields.get_or_init(|| self.make_fields()).clone()
    }

    fn field(&self, name: &str) -> Option<Value> {
        let fields = self.fields.get_or_init(|| self.make_fields());
        let found = fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.clone())
    }

    fn to_json(&self) -> serde_json::Value {
        self.metadata.to_json()
    }
}

impl MetadataObject {
    fn make_fields(&self) -> Vec<(&'static str, Value)> {
        let m = &self.metadata;
        vec![
            ("Name", text(&m.name)),
            ("Home", text(&m.home)),
            ("Sources", texts(&m.sources)),
            ("Version", text(&m.version)),
            ("Description", text(&m.description)),
            ("Keywords", texts(&m.keywords)),
            ("Maintainers", pointers(&MAINTAINERS, &m.maintainers)),
            ("Icon", text(&m.icon)),
            ("APIVersion", text(&m.api_version)),
            ("Condition", text(&m.condition)),
            ("Tags", text(&m.tags)),
            ("AppVersion", text(&m.app_version)),
            ("Deprecated", Value::Bool(m.deprecated)),
            ("Annotations", annotations(m)),
            ("KubeVersion", text(&m.kube_version)),
            ("Dependencies", pointers(&DEPENDENCIES, &m.dependencies)),
            ("Type", text(&m.chart_type)),
        ]
    }
}

/// What a chart lists by pointers.
trait Listed: 'static {
    const TYPE: &'static str;

    fn fields(&self) -> Vec<(&'static str, Value)>;
    fn to_json(&self) -> serde_json::Value;
}

/// A pointer to what a chart lists.
struct Pointer<T>(T);

impl<T: Listed> Object for Pointer<T> {
    fn type_name(&self) -> &'static str {
        T::TYPE
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, _: &str) -> Option<Function> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.0.fields()
    }

    fn to_json(&self) -> serde_json::Value {
        self.0.to_json()
    }
}

impl Listed for Maintainer {
    const TYPE: &'static str = "*chart.Maintainer";

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Name", text(&self.name)),
            ("Email", text(&self.email)),
            ("URL", text(&self.url)),
        ]
    }

    fn to_json(&self) -> serde_json::Value {
        self.to_json()
    }
}

impl Listed for Dependency {
    const TYPE: &'static str = "*chart.Dependency";

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let imports = match self.import_values.as_slice() {
            [] => List::nil(&kiel_template::value::ANY_SLICE),
            imports => List::new(imports.iter().map(Value::from_json).collect()),
        };
        vec![
            ("Name", text(&self.name)),
            ("Version", text(&self.version)),
            ("Repository", text(&self.repository)),
            ("Condition", text(&self.condition)),
            ("Tags", texts(&self.tags)),
            ("Enabled", Value::Bool(self.enabled)),
            ("ImportValues", Value::List(imports)),
            ("Alias", text(&self.alias)),
        ]
    }

    fn to_json(&self) -> serde_json::Value {
        self.to_json()
    }
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn texts(items: &[String]) -> Value {
    if items.is_empty() {
        Value::List(List::nil(&STRING_SLICE))
    } else {
        Value::strings(items)
    }
}

fn pointers<T: Listed + Clone>(slice: &'static SliceType, items: &[T]) -> Value {
    let items: Vec<_> = items
        .iter()
        .map(|item| Value::object(Pointer(item.clone())))
        .collect();
    Value::List(if items.is_empty() {
        List::nil(slice)
    } else {
        List::typed(slice, items)
    })
}

fn annotations(metadata: &Metadata) -> Value {
    if metadata.annotations.is_empty() {
        return Value::Map(Map::nil(&STRING_MAP));
    }
    let entries = metadata
        .annotations
        .iter()
        .map(|(key, value)| (Str::from(key), text(value)));
    Value::Map(Map::typed(&STRING_MAP, entries.collect::<Entries>()))
}
