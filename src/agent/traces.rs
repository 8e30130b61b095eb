//! Traces of syncs, for those who collect them by OTLP over HTTP: one for each sync, one span for each room that it passed.
//!
//! # Guarantees
//! A sync neither waits for a collector nor fails with it: what it noted is put into a queue of 2,048 spans after it ended, and dropped
//! where that is full. Attributes are declared names, ids and fixed words; nothing that Git, a target or a person wrote is among them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use opentelemetry::trace::{Span as _, SpanBuilder, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use tokio::runtime::Handle;

use crate::config::{Config, Endpoint, Traces as Declared};
use crate::model::view::SyncReport;
use crate::model::{Name, Outcome, Time, chain};
use crate::source::{self, SourceError};
use crate::sync::Passed;

/// A collector that takes longer is away.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is left at a stop gets this long.
const FAREWELL: Duration = Duration::from_secs(5);
/// So many spans wait; a sync has about ten.
const QUEUE: usize = 2048;
/// They are sent together, this often.
const GATHER: Duration = Duration::from_secs(2);

/// Who tells a collector. `None` in it where none is declared: then nothing is done.
#[derive(Default)]
pub(super) struct Traces(Option<Exporting>);

struct Exporting {
    secret: Option<Vec<u8>>,
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    unchanged: bool,
}

/// Why traces cannot be sent as it is declared.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("could not use the endpoint of traces")]
    Endpoint(#[source] crate::config::InvalidEndpoint),
    #[error("could not read what traces are sent with")]
    Secret(#[source] SourceError),
    #[error("what authorizes traces does not fit into a header")]
    Header,
    #[error("could not set up the client of traces")]
    Client(#[source] reqwest::Error),
    #[error("could not set up the exporter of traces: {0}")]
    Exporter(String),
}

/// One sync, as it is told of.
pub(super) struct Told<'s> {
    pub(super) report: &'s SyncReport,
    pub(super) passed: &'s Passed,
    pub(super) target: &'s Name,
    pub(super) repository: &'s Name,
    pub(super) began: Time,
}

impl Traces {
    /// Sets up what the configuration declares. Must run inside the runtime.
    ///
    /// # Errors
    /// When a secret or certificate cannot be read, or the endpoint is none that may be used.
    pub(super) fn open(config: &Config) -> Result<Self, TracesError> {
        let Some(declared) = &config.daemon.telemetry.traces else { return Ok(Self::default()) };
        let authorization = declared.authorization.as_ref().map(source::secret).transpose();
        let authorization = authorization.map_err(TracesError::Secret)?;
        let header = |text: &str| HeaderValue::from_str(text).map_err(|_| TracesError::Header);
        let mut header = authorization.as_ref().map(|secret| header(secret.reveal())).transpose()?;
        if let Some(header) = &mut header {
            header.set_sensitive(true);
        }
        let mut exporting = Exporting::open(declared, header, config.name.as_ref())?;
        exporting.secret = authorization.map(|secret| secret.reveal().as_bytes().to_vec());
        Ok(Self(Some(exporting)))
    }

    /// Returns what is to be kept out of records and messages.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter().filter_map(|exporting| exporting.secret.clone())
    }

    /// Tells of a sync that has ended. Never waits.
    pub(super) fn tell(&self, told: &Told<'_>) {
        let Some(exporting) = &self.0 else { return };
        if exporting.unchanged || told.report.outcome != Outcome::Unchanged {
            exporting.tell(told);
        }
    }

    /// Sends what waits, for as long as a stop may take.
    pub(super) async fn end(&self) {
        let Some(exporting) = &self.0 else { return };
        let provider = exporting.provider.clone();
        // It waits for a thread of its own.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FAREWELL)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::debug!("the last traces were not taken in time");
        }
    }
}

impl Exporting {
    fn open(declared: &Declared, authorization: Option<HeaderValue>, name: Option<&Name>) -> Result<Self, TracesError> {
        let endpoint = Endpoint::parse(&declared.endpoint).map_err(TracesError::Endpoint)?;
        source::check_literal(endpoint.url().host_str().unwrap_or_default()).map_err(TracesError::Secret)?;
        let client = source::outbound(declared.ca.as_deref()).map_err(TracesError::Secret)?;
        let client = client.timeout(PATIENCE).user_agent(concat!("trueup/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(TracesError::Client)?;
        let way = Way { client, authorization, runtime: Handle::current(), away: Arc::default() };
        let address = format!("{}/v1/traces", endpoint.url().as_str().trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_http_client(way).with_endpoint(address);
        let exporter = exporter.with_protocol(Protocol::HttpBinary).with_timeout(PATIENCE).build();
        let exporter = exporter.map_err(|error| TracesError::Exporter(error.to_string()))?;
        let queue = BatchConfigBuilder::default().with_max_queue_size(QUEUE).with_scheduled_delay(GATHER).build();
        let queue = BatchSpanProcessor::builder(exporter).with_batch_config(queue).build();
        let mut about =
            vec![KeyValue::new("service.name", "trueup"), KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
        about.extend(name.map(|name| KeyValue::new("service.instance.id", name.to_string())));
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder_empty().with_attributes(about).build())
            .with_sampler(Sampler::AlwaysOn)
            .with_span_processor(queue)
            .build();
        Ok(Self { tracer: provider.tracer("trueup"), provider, unchanged: declared.unchanged, secret: None })
    }

    fn tell(&self, Told { report, passed, target, repository, began }: &Told<'_>) {
        let at = |time: Time| UNIX_EPOCH + Duration::from_micros(u64::try_from(time.0).unwrap_or(0));
        let mut about = vec![
            KeyValue::new("trueup.application", report.application.to_string()),
            KeyValue::new("trueup.target", target.to_string()),
            KeyValue::new("trueup.repository", repository.to_string()),
            KeyValue::new("trueup.outcome", report.outcome.as_str()),
        ];
        let also = [
            ("trueup.sync", passed.sync.as_ref().map(ToString::to_string)),
            ("trueup.plan", report.plan.map(|plan| plan.to_string())),
            ("trueup.revision", report.revision.as_ref().map(ToString::to_string)),
            ("trueup.code", report.code.clone()),
        ];
        about.extend(also.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?))));
        let whole = SpanBuilder::from_name("sync").with_start_time(at(*began)).with_attributes(about);
        let whole = self.tracer.build_with_context(whole, &Context::new());
        let context = Context::new().with_span(whole);
        let failed = matches!(report.outcome, Outcome::Failed | Outcome::Refused | Outcome::RolledBack);
        for passage in &passed.passages {
            let span = SpanBuilder::from_name(passage.room.as_str()).with_start_time(at(passage.entered));
            let mut span = self.tracer.build_with_context(span, &context);
            if passage.failed {
                span.set_status(Status::Error { description: Cow::Borrowed("") });
            }
            span.end_with_timestamp(at(passage.entered) + passage.took);
        }
        if failed {
            context.span().set_status(Status::Error { description: Cow::Borrowed(report.outcome.as_str()) });
        }
        context.span().end_with_timestamp(at(*began) + Duration::from_millis(report.milliseconds));
    }
}

/// How spans leave: by the daemon's own client, in its runtime, since the exporter's thread has none.
struct Way {
    client: reqwest::Client,
    authorization: Option<HeaderValue>,
    runtime: Handle,
    /// Told of once, until it comes back.
    away: Arc<AtomicBool>,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}

#[async_trait]
impl HttpClient for Way {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut request = reqwest::Request::try_from(request)?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let client = self.client.clone();
        // What it answers is not read: the status says all.
        let sent = self.runtime.spawn(async move { client.execute(request).await.map(|answer| answer.status()) });
        let status = sent.await?;
        let failure = match &status {
            Ok(status) if status.is_success() => None,
            Ok(status) => Some(format!("it answered {status}")),
            Err(error) => Some(chain(error)),
        };
        let news = self.away.swap(failure.is_some(), Ordering::AcqRel) != failure.is_some();
        match failure {
            Some(error) if news => tracing::warn!(error, "could not send traces; they are dropped while that lasts"),
            None if news => tracing::info!("traces are taken again"),
            _ => {}
        }
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = status?;
        Ok(answer)
    }
}
