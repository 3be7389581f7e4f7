"""Estimators for scikit-learn users; loads scikit-learn."""

from accelnn.estimators.classifier import MLPClassifier as MLPClassifier
from accelnn.estimators.display import LossCurveDisplay as LossCurveDisplay
from accelnn.estimators.display import WeightImageDisplay as WeightImageDisplay
from accelnn.estimators.linear import LinearRegression as LinearRegression
from accelnn.estimators.linear import LogisticRegression as LogisticRegression
from accelnn.estimators.perceptron import Perceptron as Perceptron
from accelnn.estimators.regressor import MLPRegressor as MLPRegressor
