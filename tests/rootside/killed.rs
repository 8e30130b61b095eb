//! The program itself, ended with kill -9 at each durable step.
