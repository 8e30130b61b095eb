use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, GeneralSubtree, IsCa, KeyPair,
    NameConstraints, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A private certificate authority, of which only its own clients know.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
    shown: Shown,
}

/// What is wrong with the certificates that servers show; nothing, by default.
#[derive(Clone, Copy, Default)]
pub struct Shown {
    /// Their time is over.
    pub expired: bool,
    /// They are for these names.
    pub names: Option<&'static [&'static str]>,
    /// They are signed by themselves, not by the authority.
    pub by_itself: bool,
    /// The authority may only sign for `example.org`.
    pub constrained: bool,
}

impl Authority {
    /// Makes one and writes its certificate to `FOLDER/NAME.pem`.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self::showing(folder, name, Shown::default())
    }

    /// Makes one with whose certificates something is wrong.
    pub fn showing(folder: &Path, name: &str, shown: Shown) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine for an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example.org".into())];
        let constraints = NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() };
        params.name_constraints = shown.constrained.then_some(constraints);
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority signs itself");
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, issuer.pem()).expect("the certificate can be written");
        Self { issuer, file, shown }
    }

    /// Returns the PEM file that clients are told to trust.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Writes what a server on loopback shows, and its key, for a server that is not ours: `NAME.crt` and `NAME.key`.
    pub fn write_server(&self, name: &str, names: &[&str]) -> [PathBuf; 2] {
        let (certificate, key) = self.certificate(names);
        let [shown, secret] = ["crt", "key"].map(|end| self.file.with_file_name(format!("{name}.{end}")));
        fs::write(&shown, certificate.pem()).expect("the certificate can be written");
        fs::write(&secret, key.serialize_pem()).expect("the key can be written");
        [shown, secret]
    }

    /// Returns what a server on loopback shows, signed by this authority, for these names.
    pub(super) fn server(&self, names: &[&str]) -> Arc<ServerConfig> {
        let (certificate, key) = self.certificate(names);
        let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], secret)
            .expect("a certificate and its key");
        Arc::new(config)
    }

    fn certificate(&self, names: &[&str]) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key can be made");
        let names = self.shown.names.unwrap_or(names);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names of a host");
        if self.shown.expired {
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let signed = if self.shown.by_itself { params.self_signed(&key) } else { params.signed_by(&key, &self.issuer) };
        (signed.expect("it can be signed"), key)
    }
}
