//! The OpenID Connect provider, as a relying party sees it (OpenID Connect Core 1.0, Discovery 1.0, RFC 7636).

use std::pin::Pin;
use std::time::Duration;

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreJwsSigningAlgorithm, CoreProviderMetadata};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, TokenResponse as _,
};
use reqwest::Url;

use super::pending::Begun;
use crate::agent::LoginMeans;
use crate::source;

/// A provider that takes longer is away: somebody sits before a browser.
const PATIENCE: Duration = Duration::from_secs(15);
/// Keys and metadata of a provider have a few KiB.
const LARGEST: usize = 256 * 1024;
/// No ID token of an honest provider comes near this.
const LONGEST: usize = 8 * 1024;
/// Nobody signs with what both sides know, or not at all.
const SIGNED: [CoreJwsSigningAlgorithm; 8] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why the provider does not say who somebody is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    #[error("could not ask the provider: {0}")]
    Away(String),
    #[error("the provider did not take the code: {0}")]
    Code(String),
    #[error("the provider's answer does not hold: {0}")]
    Claims(String),
    #[error("the provider sent them back without a login")]
    Declined,
}

impl Denied {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Away(_) => "login.provider",
            Self::Code(_) => "login.refused",
            Self::Claims(_) => "login.claims",
            Self::Declined => "login.declined",
        }
    }

    pub(super) const fn words(&self) -> &'static str {
        match self {
            Self::Away(_) => "could not ask the provider that people log in with",
            Self::Code(_) => "the provider did not take the code of this login",
            Self::Claims(_) => "what the provider says of this login does not hold",
            Self::Declined => "the provider sent you back without a login",
        }
    }
}

/// Returns where a browser is sent to log in.
pub(super) async fn address(means: &LoginMeans, state: &str, nonce: &str, verifier: &str) -> Result<Url, Denied> {
    let provider = discover(means).await?;
    let client = CoreClient::from_provider_metadata(provider, ClientId::new(means.client_id.clone()), None)
        .set_redirect_uri(callback(means)?);
    let (state, nonce) = (state.to_owned(), nonce.to_owned());
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.to_owned()));
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let asked = client.authorize_url(flow, || CsrfToken::new(state), || Nonce::new(nonce));
    Ok(asked.set_pkce_challenge(challenge).url().0)
}

/// Changes a code for what the provider says of the person, judges it, and returns their account: the issuer, a slash, and the subject,
/// which alone are theirs for ever (OpenID Connect Core 1.0, section 5.7).
pub(super) async fn account(means: &LoginMeans, code: String, begun: &Begun) -> Result<String, Denied> {
    let provider = discover(means).await?;
    let secret = means.client_secret.clone().map(ClientSecret::new);
    let client = CoreClient::from_provider_metadata(provider, ClientId::new(means.client_id.clone()), secret)
        .set_redirect_uri(callback(means)?);
    let exchange =
        client.exchange_code(AuthorizationCode::new(code)).map_err(|error| Denied::Away(error.to_string()))?;
    let http = Http::new(means)?;
    let exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()));
    let answer = exchange.request_async(&http).await.map_err(|error| Denied::Code(told(&error)))?;
    let token = answer.id_token().ok_or_else(|| Denied::Claims("there is no ID token in it".into()))?;
    // Looked at before anything of it is decoded a second time, or any key is tried.
    if token.to_string().len() > LONGEST {
        return Err(Denied::Claims(format!("the ID token has more than {LONGEST} bytes")));
    }
    let verifier = client.id_token_verifier().set_allowed_algs(SIGNED);
    let claims =
        token.claims(&verifier, &Nonce::new(begun.nonce.clone())).map_err(|error| Denied::Claims(told(&error)))?;
    let subject = claims.subject().as_str();
    if subject.is_empty() || !subject.bytes().all(|byte| byte.is_ascii_graphic()) {
        // OpenID Connect Core 1.0, section 2: at most 255 characters of ASCII.
        return Err(Denied::Claims("the subject is none".into()));
    }
    Ok(format!("{}/{subject}", means.issuer.trim_end_matches('/')))
}

/// Asks the provider anew each time, so that keys that it withdrew count no more.
async fn discover(means: &LoginMeans) -> Result<CoreProviderMetadata, Denied> {
    let issuer = IssuerUrl::new(means.issuer.clone()).map_err(|error| Denied::Away(error.to_string()))?;
    let http = Http::new(means)?;
    CoreProviderMetadata::discover_async(issuer, &http).await.map_err(|error| Denied::Away(told(&error)))
}

fn callback(means: &LoginMeans) -> Result<RedirectUrl, Denied> {
    RedirectUrl::new(means.callback.clone()).map_err(|error| Denied::Away(error.to_string()))
}

/// Returns what went wrong, in one line, without what the other side said at length.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = crate::model::chain(error);
    source::harmless(chain.chars().take(300).collect::<String>().as_bytes())
}

/// The daemon's own client: no redirects, no proxy of the environment, no address that hands out credentials.
struct Http(reqwest::Client);

#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    #[error(transparent)]
    Form(#[from] openidconnect::http::Error),
    #[error("it answered more than {LARGEST} bytes")]
    Large,
}

impl Http {
    fn new(means: &LoginMeans) -> Result<Self, Denied> {
        let away = |error: &(dyn std::error::Error + 'static)| Denied::Away(told(error));
        let mut client = source::outbound(means.ca.as_deref()).map_err(|error| away(&error))?;
        if means.issuer.starts_with("http:") && means.ca.is_none() {
            // Nothing goes over TLS: reading the machine's certificates would take longer than the request.
            client = client.tls_certs_only([]);
        }
        let client = client.timeout(PATIENCE).user_agent(concat!("trueup/", env!("CARGO_PKG_VERSION")));
        Ok(Self(client.build().map_err(|error| away(&error))?))
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut answer = self.0.execute(request.try_into()?).await?;
            let mut response = openidconnect::http::Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                headers.clone_from(answer.headers());
            }
            let mut body = vec![];
            while let Some(chunk) = answer.chunk().await? {
                body.extend_from_slice(&chunk);
                if body.len() > LARGEST {
                    return Err(HttpError::Large);
                }
            }
            Ok(response.body(body)?)
        })
    }
}
