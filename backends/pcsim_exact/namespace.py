from collections.abc import Sequence
from typing import Any
import numpy as np
from flint import arb
from pcsim_exact.balls import Balls, Verdict, entries_of, zeros, _objects

def _f(name):
    u=np.frompyfunc(getattr(arb,name),1,1)
    def g(self,x): return Balls(u(x.entries))
    return g
_max=np.frompyfunc(arb.max,2,1)
class ExactNamespace:
    exp=_f('exp');expm1=_f('expm1');log=_f('log');log1p=_f('log1p');tanh=_f('tanh');sinh=_f('sinh');cosh=_f('cosh');sqrt=_f('sqrt');erf=_f('erf');erfc=_f('erfc')
    def abs(self,x): return Balls(np.abs(x.entries))
    def maximum(self,a,b): return Balls(_max(entries_of(a),entries_of(b)))
    def where(self,c,a,b): return Balls(c.choose(entries_of(a),entries_of(b)))
    def zeros_like(self,x): return zeros(x.shape)
    def stack(self,arrays): return Balls(np.stack([a.entries for a in arrays]))
    def sum(self,x,axis,keepdims=False): return Balls(np.add.reduce(x.entries,axis=axis,keepdims=keepdims))
    def max(self,x,axis,keepdims=False): return Balls(_max.reduce(x.entries,axis=axis,keepdims=keepdims))
    def wide(self,x): return x
    def sum_of_squares(self,x): return Balls(np.add.reduce(x.entries*x.entries,axis=1))
