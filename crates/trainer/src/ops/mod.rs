//! Loops over rows, compiled for the instruction set at hand (see [`aurore_kernels::Vectorised`]).

pub(crate) mod functions;
pub(crate) mod rows;

/// Declares functions whose bodies are vectorised for the instruction set given as their first argument.
macro_rules! vectorised {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $output:ty)? $body:block
    )*) => {$(
        $(#[$doc])*
        pub(crate) fn $name<'a>(isa: aurore_kernels::Isa, $($argument: $kind),*) $(-> $output)? {
            struct Work<'a> {
                $($argument: $kind,)*
                lifetime: std::marker::PhantomData<&'a ()>,
            }
            impl<'a> aurore_kernels::Vectorised for Work<'a> {
                type Output = $crate::ops::output!($($output)?);

                #[inline(always)]
                fn run(self) -> Self::Output {
                    let Work { $($argument,)* lifetime: _ } = self;
                    body($($argument),*)
                }
            }
            // As arguments, references tell the compiler that what they lead to is apart.
            #[inline(always)]
            fn body<'a>($($argument: $kind),*) $(-> $output)? $body
            isa.vectorise(Work { $($argument,)* lifetime: std::marker::PhantomData })
        }
    )*};
}

/// The type of a function that may have none.
macro_rules! output {
    () => {
        ()
    };
    ($kind:ty) => {
        $kind
    };
}

pub(crate) use {output, vectorised};
