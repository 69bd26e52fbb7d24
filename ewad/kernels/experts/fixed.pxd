cimport cython
from ewad.kernels.experts.base cimport Expert
from ewad.kernels.sample cimport Sample
from ewad.kernels.seasons cimport SeasonsKernel

@cython.final
cdef class PersistenceKernel(Expert):
    cdef Py_ssize_t n_horizons

@cython.final
cdef class SeasonalNaiveKernel(Expert):
    cdef Py_ssize_t n_horizons
    cdef SeasonsKernel seasons
