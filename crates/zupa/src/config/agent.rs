//! Who answers and what it thinks with: `[agent]` and `[model]`.

use serde::{Deserialize, Serialize};
use zupa_core::SecretRef;

use super::{Modality, secret};

/// The agent, `[agent]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// What it is called. Default `assistant`; `ZUPA__AGENT__NAME`.
    pub name: String,
    /// Its system prompt. Unset by default: the built-in one;
    /// `ZUPA__AGENT__PROMPT`. Excludes `prompt_file`.
    pub prompt: Option<String>,
    /// A file with its system prompt, relative to the working directory. Unset
    /// by default; `ZUPA__AGENT__PROMPT_FILE`. Excludes `prompt`.
    pub prompt_file: Option<String>,
    /// Language of the texts that Zupa itself sends. Default `en`;
    /// `ZUPA__AGENT__LANGUAGE`.
    pub language: Language,
    /// A TOML file with those texts and with the words for yes and no, instead
    /// of a built-in language, relative to the working directory. Unset by
    /// default; `ZUPA__AGENT__LANGUAGE_FILE`.
    pub language_file: Option<String>,
    /// Who may use the commands of administrators: `channel/alias`, the alias as the
    /// channel spells it, or the alias alone where there is one channel. None by
    /// default; `ZUPA__AGENT__ADMINS`, separated by commas.
    pub admins: Vec<String>,
    /// Who decides reviews by chat, `[[agent.operator]]`. Nobody by default;
    /// `ZUPA__AGENT__OPERATOR`.
    #[serde(rename = "operator")]
    pub operators: Vec<Operator>,
    /// What becomes of the built-in commands, `[agent.commands]`.
    pub commands: Commands,
    /// When the results of effects are recorded. Default `step`;
    /// `ZUPA__AGENT__JOURNAL`.
    pub journal: Journal,
    /// What becomes of a turn whose model's provider fails. Default `hold`;
    /// `ZUPA__AGENT__ON_MODEL_DOWN`.
    pub on_model_down: OnModelDown,
    /// Hours after a message in which an answer that waits for the model's
    /// provider is still given. Default 24; `ZUPA__AGENT__ANSWER_WITHIN_HOURS`.
    pub answer_within_hours: u32,
    /// Failures in a row that are borne; the next one gives up. Default 3;
    /// `ZUPA__AGENT__FALLBACK_LIMIT`.
    pub fallback_limit: u32,
    /// What becomes of a conversation that is given up. Default `human`;
    /// `ZUPA__AGENT__GIVE_UP`.
    pub give_up: GiveUp,
    /// Earlier messages that the model sees. Default 20;
    /// `ZUPA__AGENT__HISTORY_MESSAGES`.
    pub history_messages: usize,
    /// Whether answers are spoken or written, where the channel carries voice.
    /// Unset by default: with a synthesizer `mirror`, else `text`;
    /// `ZUPA__AGENT__MODALITY`.
    pub modality: Option<Modality>,
    /// Messages that come in quick succession, `[agent.burst]`.
    pub burst: Burst,
    /// When a conversation begins anew, `[agent.session]`.
    pub session: Session,
    /// How long a turn waits for people, `[agent.waits]`.
    pub waits: Waits,
    /// Texts for people, `[agent.texts]`.
    pub texts: Texts,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            name: "assistant".to_owned(),
            prompt: None,
            prompt_file: None,
            language: Language::default(),
            language_file: None,
            admins: Vec::new(),
            operators: Vec::new(),
            commands: Commands::default(),
            journal: Journal::default(),
            on_model_down: OnModelDown::default(),
            answer_within_hours: 24,
            fallback_limit: 3,
            give_up: GiveUp::default(),
            history_messages: 20,
            modality: None,
            burst: Burst::default(),
            session: Session::default(),
            waits: Waits::default(),
            texts: Texts::default(),
        }
    }
}

/// An operator who decides reviews by chat, `[[agent.operator]]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operator {
    /// What the audit calls them. Required.
    pub name: String,
    /// Where they write from: `channel/alias`, or the alias alone where there is one
    /// channel. Required.
    pub at: Vec<String>,
}

/// What becomes of the built-in commands, `[agent.commands]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Commands {
    /// Those that are taken away: `help`, `reset`, `human`, `approve`, `reject`. None by
    /// default; `ZUPA__AGENT__COMMANDS__DISABLED`, separated by commas.
    pub disabled: Vec<String>,
    /// Those that are kept for administrators: `help`, `reset`, `human`. None by default;
    /// `ZUPA__AGENT__COMMANDS__ADMIN_ONLY`, separated by commas.
    pub admin_only: Vec<String>,
}

/// A language of the built-in texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Portuguese.
    Pt,
}

/// When the results of effects are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Journal {
    /// Each before the next depends on it.
    #[default]
    Step,
    /// Results that change nothing outside, the model's among them, only when an
    /// effect that matters follows: cheaper, and a crash pays them again.
    Turn,
}

/// What becomes of a turn whose model's provider fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnModelDown {
    /// It waits, and is answered when the provider works again; the person is told.
    #[default]
    Hold,
    /// It ends with the fallback text.
    Reply,
}

/// What becomes of a conversation that is given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GiveUp {
    /// Operators are asked to take it over.
    #[default]
    Human,
    /// Its session ends; the next message begins another.
    Error,
}

/// How messages in quick succession become one turn, `[agent.burst]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Burst {
    /// Milliseconds of silence that end a burst; 0 answers at once. Default 0;
    /// `ZUPA__AGENT__BURST__SILENCE_MS`.
    pub silence_ms: u64,
    /// Milliseconds after which a burst ends anyway. Default 5000;
    /// `ZUPA__AGENT__BURST__MAX_WAIT_MS`.
    pub max_wait_ms: u64,
    /// Messages after which a burst ends anyway. Default 20;
    /// `ZUPA__AGENT__BURST__MAX_COUNT`.
    pub max_count: usize,
}

impl Default for Burst {
    fn default() -> Self {
        Self {
            silence_ms: 0,
            max_wait_ms: 5_000,
            max_count: 20,
        }
    }
}

/// When a conversation begins anew, `[agent.session]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Minutes of silence after which a message begins a new session. Default
    /// 15; `ZUPA__AGENT__SESSION__IDLE_MINUTES`.
    pub idle_minutes: u32,
    /// Whether a model summarises a session that has ended, for the agent's memory.
    /// Default true; `ZUPA__AGENT__SESSION__MODEL_SUMMARIES`.
    pub model_summaries: bool,
    /// Whether the model may end a session with its answer. Default false;
    /// `ZUPA__AGENT__SESSION__MODEL_ENDS`.
    pub model_ends: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            idle_minutes: 15,
            model_summaries: true,
            model_ends: false,
        }
    }
}

/// How long a turn waits for people, `[agent.waits]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Waits {
    /// Minutes that a person has to confirm a call. Default 10;
    /// `ZUPA__AGENT__WAITS__CONFIRM_MINUTES`.
    pub confirm_minutes: u32,
    /// Hours that operators have to approve a call. Default 48;
    /// `ZUPA__AGENT__WAITS__APPROVE_HOURS`.
    pub approve_hours: u32,
    /// Minutes that operators have to take a conversation over, when a human is
    /// wanted. Default 30; `ZUPA__AGENT__WAITS__HUMAN_MINUTES`.
    pub human_minutes: u32,
    /// Minutes after which an open review is shown as overdue. Default 60;
    /// `ZUPA__AGENT__WAITS__OVERDUE_MINUTES`.
    pub overdue_minutes: u32,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            confirm_minutes: 10,
            approve_hours: 48,
            human_minutes: 30,
            overdue_minutes: 60,
        }
    }
}

/// Texts for people instead of the built-in ones, `[agent.texts]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Texts {
    /// Sent when no answer could be made; empty sends nothing. Unset by default: the
    /// text of the language; `ZUPA__AGENT__TEXTS__FALLBACK`.
    pub fallback: Option<String>,
    /// Sent, once in a while, to whoever writes more than is answered; empty sends
    /// nothing. Unset by default: the text of the language;
    /// `ZUPA__AGENT__TEXTS__OVERLOAD`.
    pub overload: Option<String>,
    /// Sent when the model's provider fails and the answer has to wait; empty sends
    /// nothing. Unset by default: the text of the language;
    /// `ZUPA__AGENT__TEXTS__MODEL_DOWN`.
    pub model_down: Option<String>,
}

/// The model, `[model]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Who completes. Unset by default: `zupa dev` takes `openai` if
    /// `OPENAI_API_KEY` is set, else `scripted`; `ZUPA__MODEL__PROVIDER`.
    pub provider: Option<Provider>,
    /// Where the provider listens. Default `https://api.openai.com/v1`;
    /// `ZUPA__MODEL__BASE_URL`.
    pub base_url: String,
    /// The provider's name for the model. Unset by default;
    /// `ZUPA__MODEL__NAME`.
    pub name: Option<String>,
    /// The provider's key. Unset by default; `ZUPA__MODEL__API_KEY`.
    #[serde(with = "secret")]
    pub api_key: Option<SecretRef>,
    /// TOML file with the rules of the scripted model, relative to the working
    /// directory. Unset by default: the built-in rules; `ZUPA__MODEL__SCRIPT`.
    pub script: Option<String>,
    /// Sampling temperature, 0 to 2. Unset by default: the provider's;
    /// `ZUPA__MODEL__TEMPERATURE`.
    pub temperature: Option<f64>,
    /// Tokens of one completion. Unset by default: the provider's;
    /// `ZUPA__MODEL__MAX_TOKENS`.
    pub max_tokens: Option<u32>,
    /// What a million tokens of prompts cost, in the unit of `limits.turn_cost`.
    /// Unset by default; `ZUPA__MODEL__PRICE_IN`.
    pub price_in: Option<f64>,
    /// What a million tokens of answers cost, in the same unit. Unset by default;
    /// `ZUPA__MODEL__PRICE_OUT`.
    pub price_out: Option<f64>,
    /// How answers are held to a form. Default `native`;
    /// `ZUPA__MODEL__STRUCTURED`.
    pub structured: Structured,
    /// Who is asked where it cannot answer, in this order, `[[model.fallback]]`. Nobody by
    /// default; `ZUPA__MODEL__FALLBACK`.
    pub fallback: Vec<FallbackModel>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            provider: None,
            base_url: "https://api.openai.com/v1".to_owned(),
            name: None,
            api_key: None,
            script: None,
            temperature: None,
            max_tokens: None,
            price_in: None,
            price_out: None,
            structured: Structured::default(),
            fallback: Vec::new(),
        }
    }
}

/// A model that is asked where those before it cannot answer, `[[model.fallback]]`. Its
/// tokens cost what those of the first model do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FallbackModel {
    /// Who completes. Required.
    pub provider: Provider,
    /// Where the provider listens. Default `https://api.openai.com/v1`.
    pub base_url: String,
    /// The provider's name for the model. Required with `openai`.
    pub name: Option<String>,
    /// The provider's key. Unset by default: none is sent.
    #[serde(with = "secret")]
    pub api_key: Option<SecretRef>,
    /// TOML file with the rules of a scripted model. Unset by default: the built-in rules.
    pub script: Option<String>,
    /// Sampling temperature, 0 to 2. Unset by default: the provider's.
    pub temperature: Option<f64>,
    /// Tokens of one completion. Unset by default: the provider's.
    pub max_tokens: Option<u32>,
    /// How answers are held to a form. Default `native`.
    pub structured: Structured,
}

impl Default for FallbackModel {
    fn default() -> Self {
        let first = Model::default();
        Self {
            provider: Provider::Openai,
            base_url: first.base_url,
            name: None,
            api_key: None,
            script: None,
            temperature: None,
            max_tokens: None,
            structured: first.structured,
        }
    }
}

/// Who does the work of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// OpenAI, or a server that speaks as it does.
    Openai,
    /// Fixed rules, no network.
    Scripted,
}

/// How answers are held to a form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Structured {
    /// The server enforces it.
    #[default]
    Native,
    /// The model is told: for servers that cannot enforce it.
    Prompt,
}
