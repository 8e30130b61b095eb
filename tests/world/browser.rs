//! A browser without scripts, and the command that sends people to it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use reqwest::{Client, Method, Url};
use serde_json::Value;

use super::{Gitea, Person, World, clean};

/// A browser: it follows redirects when it is told to, and keeps cookies by host and port.
pub struct Browser {
    pub client: Client,
    pub runtime: tokio::runtime::Runtime,
    cookies: BTreeMap<(String, u16), BTreeMap<String, String>>,
}

/// What a browser was answered.
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub location: Option<Url>,
    pub body: String,
}

impl Browser {
    pub fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).tls_certs_only([]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { client: client.build().unwrap(), runtime, cookies: BTreeMap::new() }
    }

    pub fn get(&mut self, url: &Url) -> Page {
        self.ask(Method::GET, url, None)
    }

    fn ask(&mut self, method: Method, url: &Url, form: Option<&[(String, String)]>) -> Page {
        let place = (url.host_str().unwrap().to_owned(), url.port_or_known_default().unwrap());
        let mut request = self.client.request(method, url.clone());
        if let Some(jar) = self.cookies.get(&place).filter(|jar| !jar.is_empty()) {
            let cookies: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(form) = form {
            let mut body = Url::parse("http://x/").unwrap();
            body.query_pairs_mut().extend_pairs(form);
            let kind = "application/x-www-form-urlencoded";
            let origin = url.origin().ascii_serialization();
            request = request.header("content-type", kind).header("origin", origin);
            request = request.header("sec-fetch-site", "same-origin").body(body.query().unwrap().to_owned());
        }
        let (status, headers, body) = self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
        });
        for cookie in headers.get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.entry(place.clone()).or_default().insert(name.to_owned(), value.to_owned());
        }
        let location = headers.get("location").map(|to| url.join(to.to_str().unwrap()).unwrap());
        Page { url: url.clone(), status, location, body }
    }

    /// Follows redirects until there is a page, or until one leads to this port, which is returned and not followed.
    pub fn follow(&mut self, mut page: Page, until: u16) -> Page {
        for _ in 0..10 {
            let Some(to) = page.location.clone() else { return page };
            if to.port() == Some(until) {
                return page;
            }
            page = self.get(&to);
        }
        panic!("it is sent around for ever");
    }

    /// Sends the form of a page whose action ends so, with these fields beside the hidden ones.
    pub fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let form = page.body.split("<form").find(|form| form.split('>').next().unwrap().contains(action));
        let form = form.unwrap_or_else(|| panic!("no form {action} at {}:\n{}", page.url, page.body));
        let form = form.split("</form").next().unwrap();
        let mut filled: Vec<(String, String)> = form
            .split("<input")
            .skip(1)
            .filter_map(|input| {
                let input = input.split('>').next().unwrap();
                let value = |name: &str| Some(input.split_once(&format!("{name}=\""))?.1.split('"').next()?.to_owned());
                (value("type").as_deref() == Some("hidden")).then(|| (value("name"), value("value")))
            })
            .filter_map(|(name, value)| Some((name?, value.unwrap_or_default().replace("&amp;", "&"))))
            .collect();
        filled.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let to = page.url.join(action).unwrap();
        self.ask(Method::POST, &to, Some(&filled))
    }
}

impl Browser {
    /// Returns how a Git host calls itself, as one whose accounts others are logged in with.
    pub fn issuer(&mut self, host: &Gitea) -> String {
        let about = self.get(&Url::parse(&format!("{}/.well-known/openid-configuration", host.url())).unwrap());
        serde_json::from_str::<Value>(&about.body).unwrap()["issuer"].as_str().unwrap().to_owned()
    }

    /// Goes where `trueup login` sends somebody, logs in at the Git host for the first time, agrees, and returns the page at the end.
    pub fn log_in(&mut self, who: &Person, address: &Url) -> Page {
        let page = self.get(address);
        let page = self.follow(page, port(address));
        let page = self.submit(&page, "/user/login", &[("user_name", &who.name), ("password", &who.password)]);
        let page = self.follow(page, port(address));
        let page = self.submit(&page, "/login/oauth/grant", &[("granted", "true")]);
        let page = self.follow(page, port(address));
        self.get(&page.location.unwrap())
    }
}

/// `trueup login`, and the address that it says.
#[allow(clippy::zombie_processes)] // One that says nothing fails the test, and ends with it.
pub fn login(world: &World, server: &str) -> (Child, Url) {
    let mut command = clean(env!("CARGO_BIN_EXE_trueup"), &world.path("home"));
    command.args(["login", "--server", server]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "it says no address");
        if let Ok(address) = Url::parse(line.trim()) {
            child.stderr = Some(said.into_inner());
            return (child, address);
        }
    }
}

pub fn ended(child: Child) -> (i32, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

pub fn port(address: &Url) -> u16 {
    let redirect = address.query_pairs().find(|(name, _)| name == "redirect").unwrap().1.into_owned();
    Url::parse(&redirect).unwrap().port().unwrap()
}
