use std::sync::Arc;

use super::Refusal;
use super::within::Within;
use crate::audit::Redactor;
use crate::config::{Application, Config, Repository};
use crate::model::{Actor, Complete, Desired, Digest, DigestKey, Name, Revision};
use crate::render::{self, BlobCache};
use crate::source::{Head, Shared, SignedBy, Tree};
use crate::store::Applied;

/// What a revision would make of an application.
#[derive(Clone)]
pub struct Candidate {
    pub revision: Revision,
    /// What it would be merged into, where nobody has merged it yet: how history goes on is told from there.
    pub onto: Option<Revision>,
    /// The ref it was found at, and the repository: another one later is a change of configuration, not a rewind.
    pub reference: String,
    pub url: String,
    /// Who signed it, where the repository asks for signatures.
    pub signer: Option<SignedBy>,
    pub inputs: Digest,
    /// Layers that the revision does not have. The rest is rendered; a guard holds what follows from it.
    pub missing: Vec<String>,
    pub desired: Arc<Desired>,
    /// Its contents come from the store, no more from the tree that it was rendered from.
    pub stored: bool,
    /// Who asked to go back to it: it is what the store has, whatever Git says of it.
    pub asked: Option<Actor>,
}

/// From where a candidate is rendered.
#[derive(Clone)]
pub struct Origin {
    pub application: Arc<Application>,
    pub repository: Arc<Repository>,
    pub source: Arc<Shared>,
    pub cache: Arc<dyn BlobCache>,
    /// For the digests of what is secret.
    pub key: DigestKey,
    /// Learns what is secret.
    pub redactor: Arc<Redactor>,
    pub holds: Holds,
    /// How far it reaches, where Git declares it.
    pub within: Option<Arc<Within>>,
}

/// What the files of an application are.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Holds {
    /// Objects of a host.
    #[default]
    Objects,
    /// What is declared in Git, which refers to what the machine declares.
    Declarations(Arc<Config>),
}

impl Candidate {
    /// Returns the revision by which it joins the followed history.
    #[must_use]
    pub(super) fn joins(&self) -> &Revision {
        self.onto.as_ref().unwrap_or(&self.revision)
    }
}

impl Origin {
    /// Renders what `head` says, unless `known` already is just that; nothing of it before its signatures were found valid.
    pub async fn candidate(&self, name: &Name, head: &Head, known: Option<&Candidate>) -> Result<Candidate, Refusal> {
        // Known or not: who may sign may have changed.
        let signer = self.source.verify(head, name).await.map_err(|error| Refusal::source(&error))?;
        if let Some(known) = known.filter(|known| known.revision == head.revision && known.reference == head.reference)
        {
            return Ok(Candidate { signer, ..known.clone() });
        }
        let tree = self.source.source().tree(&head.revision).await.map_err(|error| Refusal::source(&error))?;
        let known = known.cloned();
        let (origin, head) = (self.clone(), head.clone());
        let rendered = tokio::task::spawn_blocking(move || origin.render(&tree, &head, known)).await;
        let rendered = rendered.map_err(|error| Refusal::broken("render", &error))??;
        Ok(Candidate { signer, ..rendered })
    }

    /// Renders what was applied once more, as it is planned today. Its signatures were found valid when it went. Returns with it
    /// whether it is rendered from the same tree, by the same definition.
    pub(super) async fn again(&self, applied: &Applied) -> Result<(Candidate, bool), Refusal> {
        let Applied { revision, reference, .. } = applied.clone();
        let tree = self.source.source().tree(&revision).await.map_err(|error| Refusal::source(&error))?;
        let head = Head { revision, reference, object: String::new(), trust: 0 };
        let (origin, inputs, url) = (self.clone(), applied.inputs, applied.url.clone());
        let rendered = tokio::task::spawn_blocking(move || {
            let same = render::renders(tree.as_ref(), &origin.application, inputs);
            let same = same.map_err(|error| Refusal::source(&error))?;
            Ok((origin.render(&tree, &head, None)?, same))
        });
        let (candidate, same) = rendered.await.map_err(|error| Refusal::broken("render", &error))??;
        Ok((Candidate { url, ..candidate }, same))
    }

    /// Blocking: reads the tree.
    pub(super) fn render(
        &self,
        tree: &Arc<dyn Tree>,
        head: &Head,
        known: Option<Candidate>,
    ) -> Result<Candidate, Refusal> {
        let inputs = render::inputs(tree.as_ref(), &self.application).map_err(|error| Refusal::source(&error))?;
        let (desired, stored) = match known {
            Some(known) if known.inputs == inputs.digest => (known.desired, known.stored),
            _ => (Arc::new(Desired::Objects(self.objects(tree, &inputs.missing)?)), false),
        };
        Ok(Candidate {
            revision: head.revision.clone(),
            onto: None,
            reference: head.reference.clone(),
            url: self.repository.url.clone(),
            signer: None,
            inputs: inputs.digest,
            missing: inputs.missing,
            desired,
            stored,
            asked: None,
        })
    }

    fn objects(&self, tree: &Arc<dyn Tree>, missing: &[String]) -> Result<Complete, Refusal> {
        let mut layers = self.application.source.layers();
        layers.retain(|layer| !missing.iter().any(|path| path == layer.trim_matches('/')));
        let limits = &self.repository.limits;
        let cache = self.cache.as_ref();
        if let Holds::Declarations(machine) = &self.holds {
            let request = render::Request { tree, layers: &layers, limits, cache, keys: render::Keys::Sealed };
            return render::declarations(&request, machine).map_err(|error| Refusal::render(&error));
        }
        let keyring = render::DeclaredKeys(&self.repository.secrets.age);
        let learn = |values| self.redactor.learn::<Vec<u8>>(values);
        let keys = render::Keys::Open { keyring: &keyring, digest: &self.key, learn: &learn };
        let request = render::Request { tree, layers: &layers, limits, cache, keys };
        render::host(&request).map_err(|error| Refusal::render(&error))
    }
}
