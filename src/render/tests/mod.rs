mod documents;
mod examples;
mod hostile;
mod layers;
