//! The checkpoint's chat template: Jinja as Python's `transformers` runs it.

mod python;
mod time;

#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use aurore_checkpoint::Files;
use minijinja::{
    Environment, Error, ErrorKind, State, Value,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};
use serde_json::Value as Json;

use crate::ChatError;

/// Instructions that a template may run: a conversation of a thousand turns takes a fraction of this; a template that
/// never ends is stopped within seconds.
const FUEL: u64 = 20_000_000;

const NAME: &str = "chat_template.jinja";
const CONFIG: &str = "tokenizer_config.json";

/// A compiled template.
pub struct Template {
    environment: Environment<'static>,
    /// The file that it came from, for messages.
    file: &'static str,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Template")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Template {
    /// Reads `chat_template.jinja`, or the template inside `tokenizer_config.json`.
    pub fn open(files: &Files) -> Result<Self, ChatError> {
        if let Some(bytes) = files.read(NAME)? {
            let source = String::from_utf8(bytes.into_owned()).map_err(|error| ChatError::BadFile {
                file: NAME,
                why: format!("not UTF-8: {error}"),
            })?;
            return Self::new(source, NAME);
        }
        let bad = |why: String| ChatError::BadFile { file: CONFIG, why };
        let Some(bytes) = files.read(CONFIG)? else {
            return Err(missing(files));
        };
        let config: Json = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        match config.get("chat_template") {
            Some(Json::String(source)) => Self::new(source.clone(), CONFIG),
            // Several templates: [{"name", "template"}, …].
            Some(Json::Array(named)) => named
                .iter()
                .find(|entry| entry.get("name").and_then(Json::as_str) == Some("default"))
                .and_then(|entry| entry.get("template")?.as_str())
                .ok_or_else(|| bad("chat_template has no entry named \"default\"".to_owned()))
                .and_then(|source| Self::new(source.to_owned(), CONFIG)),
            None | Some(Json::Null) => Err(missing(files)),
            Some(_) => Err(bad("chat_template is neither text nor a list".to_owned())),
        }
    }

    /// Compiles a template; `file` names it in errors.
    pub fn new(source: String, file: &'static str) -> Result<Self, ChatError> {
        Self::with_fuel(source, file, FUEL)
    }

    fn with_fuel(source: String, file: &'static str, fuel: u64) -> Result<Self, ChatError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(|error| template_error(file, &error))?);
        environment.set_fuel(Some(fuel));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_formatter(|out, _, value| {
            python::str_of(value).map_or(Ok(()), |text| out.write_str(&text).map_err(Error::from))
        });
        environment.set_unknown_method_callback(method);
        environment.add_filter("trim", |text: String, letters: Option<String>| {
            python::strip(&text, letters.as_deref()).to_owned()
        });
        environment.add_filter("string", |value: Value| {
            python::str_of(&value).unwrap_or_default()
        });
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned(NAME, source)
            .map_err(|error| template_error(file, &error))?;
        Ok(Self { environment, file })
    }

    /// Renders with these variables. `now` is what `strftime_now` tells.
    pub fn render(
        &self,
        variables: &serde_json::Map<String, Json>,
        now: SystemTime,
    ) -> Result<String, ChatError> {
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let strftime_now = Value::from_function(move |format: String| time::strftime(&format, seconds));
        let context = variables
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(Serde(value))))
            .chain([("strftime_now".to_owned(), strftime_now)]);
        let context = Value::from_pairs(context);
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(context))
            .map_err(|error| template_error(self.file, &error))
    }
}

/// JSON as the templates' `tojson` writes it.
#[cfg(test)]
pub(crate) fn python_json(value: &Json) -> String {
    python::json(value, None)
}

fn missing(files: &Files) -> ChatError {
    ChatError::MissingFile {
        from: files.describe(),
        file: NAME,
        hint: "copy it from the model's repository; base models without one can only continue plain text",
    }
}

/// Methods of Python's strings and dicts that the engine lacks. Stripping is done here, since Python's idea of
/// whitespace differs from Rust's.
fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    if let (Some(text), "strip" | "lstrip" | "rstrip") = (value.as_str(), name) {
        let letters =
            match arguments {
                [] => None,
                [letters] if letters.is_none() => None,
                [letters] => Some(letters.as_str().ok_or_else(|| {
                    Error::new(ErrorKind::InvalidOperation, format!("{name}() takes text"))
                })?),
                _ => return Err(Error::from(ErrorKind::TooManyArguments)),
            };
        return Ok(Value::from(match name {
            "strip" => python::strip(text, letters),
            "lstrip" => python::lstrip(text, letters),
            _ => python::rstrip(text, letters),
        }));
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments)
}

/// `json.dumps(value, ensure_ascii=False)` as `transformers` sets it up; `indent` and `sort_keys` are known.
#[expect(clippy::needless_pass_by_value, reason = "the signature of a filter")]
fn to_json(value: Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let sort_keys: Option<bool> = options.get("sort_keys")?;
    // Accepted because templates pass them; they say what is done anyway.
    let _: Option<bool> = options.get("ensure_ascii")?;
    let _: Option<Value> = options.get("separators")?;
    options.assert_all_used()?;
    let mut json = serde_json::to_value(&value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    if sort_keys == Some(true) {
        json.sort_all_objects();
    }
    Ok(python::json(&json, indent))
}

fn template_error(file: &str, error: &Error) -> ChatError {
    let message = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    let hint = if error.kind() == ErrorKind::OutOfFuel {
        " (the template does not come to an end)"
    } else if message.contains("No user query") {
        ": add a message with the role user; tool results alone are not enough"
    } else if message.contains("ystem message") && message.contains("beginning") {
        ": move the system message to the front, or send it as a user message"
    } else if message.contains("ystem message") && message.contains("image") {
        ": send the picture in a user message, and leave words about it in the system message"
    } else {
        ""
    };
    ChatError::Template {
        file: file.to_owned(),
        line: error.line().unwrap_or(0),
        message,
        hint,
    }
}
